/** What is compared takes turns, so that a machine whose speed drifts does so for all of it. */
import type { Load, Once } from './load.js';
import { median, percentile } from './summary.js';

/** CPU time by process, in µs; null: nobody can tell. */
export type Cpu = Readonly<Record<string, number | null>>;

/** One turn. Times in ms; null: nothing ended in it. */
export interface Turn {
  readonly perSecond: number;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  /** Until nothing was unfinished, after the load had ended. */
  readonly settleMs: number;
  /** A transaction, warm-up and what came after the answers included. */
  readonly cpuUs: Cpu;
  /** All processes together, of all cores, while the turn lasted; 1: no core was idle. */
  readonly machine: number | null;
}

/** Several turns of the same: medians, each of its own. */
export interface Cell extends Turn {
  readonly rounds: readonly Turn[];
}

/** What is compared with others. */
export interface Contender {
  readonly once: Once;
  /** Resolves when nothing of it is left to do. */
  readonly settle?: () => Promise<void>;
}

/** What all of them meet: so many initiators, or a rate. */
export interface Kind {
  readonly name: string;
  readonly load: (once: Once) => Promise<Load>;
}

export interface Surroundings {
  /** CPU so far, by process. */
  readonly cpu: () => Cpu;
  readonly cores: number;
  /** Hears of each turn. */
  readonly told: (what: string, turn: Turn) => void;
}

/** Every contender under every kind of load, once in each round. @returns for each kind of load, by contender */
export async function takeTurns<Name extends string>(
  kinds: readonly Kind[],
  contenders: Readonly<Record<Name, Contender>>,
  rounds: number,
  surroundings: Surroundings,
): Promise<Record<Name, Cell>[]> {
  const names = Object.keys(contenders) as Name[];
  const met = kinds.map((kind) => ({ kind, turns: new Map<Name, Turn[]>(names.map((name) => [name, []])) }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { kind, turns } of met) {
      for (const name of names) {
        const turn = await takeTurn(kind, contenders[name], surroundings);
        turns.get(name)?.push(turn);
        surroundings.told(`${name}, ${kind.name}`, turn);
      }
    }
  }
  return met.map(({ turns }) => {
    return Object.fromEntries([...turns].map(([name, all]) => [name, cellOf(all)])) as Record<Name, Cell>;
  });
}

async function takeTurn({ load }: Kind, { once, settle }: Contender, { cpu, cores }: Surroundings): Promise<Turn> {
  const before = { cpu: cpu(), at: performance.now() };
  const { latencies, perSecond, total } = await load(once);
  const loadedAt = performance.now();
  await settle?.();
  const settledAt = performance.now();
  const used = Object.entries(cpu()).map(([process, now]): [string, number | null] => {
    const then = before.cpu[process] ?? null;
    return [process, now === null || then === null ? null : now - then];
  });
  const sum = used.reduce<number | null>((all, [, us]) => (all === null || us === null ? null : all + us), 0);
  return {
    perSecond,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    max: percentile(latencies, 1),
    settleMs: settledAt - loadedAt,
    cpuUs: Object.fromEntries(used.map(([process, us]) => [process, us === null || total === 0 ? null : us / total])),
    machine: sum === null ? null : sum / 1000 / (settledAt - before.at) / cores,
  };
}

/** @param turns of the same contender */
function cellOf(turns: readonly Turn[]): Cell {
  const of = (value: (turn: Turn) => number | null): number | null => median(turns.map(value));
  const processes = Object.keys(turns[0]?.cpuUs ?? {});
  return {
    perSecond: of((turn) => turn.perSecond) ?? 0,
    p50: of((turn) => turn.p50),
    p99: of((turn) => turn.p99),
    max: of((turn) => turn.max),
    settleMs: of((turn) => turn.settleMs) ?? 0,
    cpuUs: Object.fromEntries(processes.map((name) => [name, of((turn) => turn.cpuUs[name] ?? null)])),
    machine: of((turn) => turn.machine),
    rounds: turns,
  };
}
