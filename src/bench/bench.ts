/** The whole benchmark: closed loop, fixed rate, past the limit, and whether anything was left unfinished. */
import { arch, cpus, platform, release, totalmem } from 'node:os';
import type { ServerFacts } from '../storage/spare-database.js';
import type { Work } from './calls.js';
import { closedLoop, fixedRate } from './load.js';
import type { Span } from './load.js';
import { pastTheLimit } from './pressure.js';
import type { Pressure } from './pressure.js';
import { CLOCK } from './rig.js';
import type { Rig } from './rig.js';
import { ratio } from './summary.js';
import { takeTurns } from './turns.js';
import type { Cell, Contender, Kind, Surroundings } from './turns.js';

/** Before each turn. */
export const WARM_UP_MS = 400;
/**
 * Before all, in turns' lengths: the coordinator, which is much code, is at its full speed after some twenty thousand
 * transactions. Until then half of a second core compiles, and what is called seldom is interpreted.
 */
const FIRST_WARM_UP_TURNS = 20;
const FIRST_INITIATORS = 64;
/** So many and more have longer turns: each of them shall have its turn several times. */
const MANY = 512;
/** Half of what so many initiators reached is the fixed rate, unless one is given. */
const HALF_OF = 64;

export interface Asked extends Work {
  readonly initiators: readonly number[];
  readonly rounds: number;
  /** Of each turn, without the warm-up. */
  readonly seconds: number;
  /** Transactions a second. */
  readonly rate: number | 'half';
}

/** Tercet, and the same calls with no coordinator. */
export interface Compared {
  readonly tercet: Cell;
  readonly bare: Cell;
}

export interface Point extends Compared {
  readonly initiators: number;
  /** Throughput of the one by that of the other. */
  readonly ofBare: number | null;
}

export interface AtRate extends Compared {
  readonly perSecond: number;
  readonly p50TimesBare: number | null;
  readonly p99TimesBare: number | null;
}

export interface End {
  /** Transactions that had not ended some seconds after the last answer. */
  readonly unfinished: number;
  /** Begins that were answered with a transaction, and transactions that the log has as committed: the same number. */
  readonly accepted: number;
  readonly committed: number;
  /** Transactions of which a request was answered 503 or 504, and repeated. */
  readonly repeated: number;
}

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGiB: number;
  readonly os: string;
  readonly node: string;
  readonly postgresql: ServerFacts;
  /** Whether PostgreSQL is that of the package, not one of the user's. */
  readonly isEmbedded: boolean;
}

export interface Result {
  readonly at: string;
  readonly machine: Machine;
  readonly asked: Asked & { readonly warmUpSeconds: number };
  readonly closedLoop: readonly Point[];
  readonly fixedRate: AtRate;
  readonly pastTheLimit: Pressure;
  readonly end: End;
}

/** Hears how far it is: so many steps of so many. */
export type Told = (done: number, of: number, what: string) => void;

/** @throws Trouble, or the reason of `signal` */
export async function runBench(asked: Asked, rig: Rig, told: Told, signal: AbortSignal): Promise<Result> {
  const { initiators, rounds, seconds } = asked;
  const steps = rounds * 2 * (initiators.length + 1) + 1;
  let done = 0;
  const surroundings: Surroundings = {
    cpu: () => rig.cpu(),
    cores: rig.cores,
    told: (what, { perSecond }) => told((done += 1), steps, `${what}: ${perSecond.toFixed(0)}/s`),
  };
  const compared = contenders(rig, asked);
  told(0, steps, 'warming up');
  await warmUp(compared, seconds, signal);
  const points = await measureClosedLoop(asked, compared, surroundings, signal);
  const perSecond = asked.rate === 'half' ? halfOf(points) : asked.rate;
  const atRate = await measureAtRate(asked, perSecond, compared, surroundings, signal);
  told(done, steps, 'past the limit');
  const pressure = await pastTheLimit(rig, asked, 2 * seconds, signal);
  return {
    at: new Date().toISOString(),
    machine: await machineOf(rig),
    asked: { ...asked, warmUpSeconds: WARM_UP_MS / 1000 },
    closedLoop: points,
    fixedRate: atRate,
    pastTheLimit: pressure,
    end: await endOf(rig),
  };
}

/** A transaction through the coordinator, and without it. */
export function contenders(rig: Rig, work: Work): Record<keyof Compared, Contender> {
  return {
    tercet: { once: async () => void (await rig.through(work)), settle: () => rig.settled() },
    bare: { once: () => rig.without(work) },
  };
}

/** Nothing of it counts, but that what was accepted ends. */
export async function warmUp(
  compared: Readonly<Record<string, Contender>>,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  const span = { warmUpMs: 0, forMs: FIRST_WARM_UP_TURNS * seconds * 1000 };
  for (const { once, settle } of Object.values(compared)) {
    await closedLoop(FIRST_INITIATORS, span, once, CLOCK, signal);
    await settle?.();
  }
}

/**
 * All numbers of initiators in each round, so that they can be compared with each other too. What else is among those
 * compared is in each point, by its name.
 */
export async function measureClosedLoop(
  { initiators, rounds, seconds }: Pick<Asked, 'initiators' | 'rounds' | 'seconds'>,
  compared: Readonly<Record<keyof Compared, Contender>>,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<Point[]> {
  const kinds = initiators.map((count): Kind => {
    const span = spanOf(count, seconds);
    return { name: `${count} initiators`, load: (once) => closedLoop(count, span, once, CLOCK, signal) };
  });
  const cells = await takeTurns(kinds, compared, rounds, surroundings);
  return cells.map((cell, index) => {
    const ofBare = ratio(cell.tercet.perSecond, cell.bare.perSecond);
    return { initiators: initiators[index] ?? 0, ...cell, ofBare };
  });
}

/** Of a turn of so many initiators. */
export function spanOf(initiators: number, seconds: number): Span {
  const times = Math.max(1, initiators / MANY);
  return { warmUpMs: WARM_UP_MS * times, forMs: seconds * 1000 * times };
}

/** @param perSecond transactions */
export async function measureAtRate(
  { rounds, seconds }: Pick<Asked, 'rounds' | 'seconds'>,
  perSecond: number,
  compared: Readonly<Record<keyof Compared, Contender>>,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<AtRate> {
  const span = { warmUpMs: WARM_UP_MS, forMs: seconds * 1000 };
  const kind: Kind = { name: `${perSecond}/s`, load: (once) => fixedRate(perSecond, span, once, CLOCK, signal) };
  const [cells] = await takeTurns([kind], compared, rounds, surroundings);
  const { tercet, bare } = cells as Compared;
  const [p50TimesBare, p99TimesBare] = [ratio(tercet.p50, bare.p50), ratio(tercet.p99, bare.p99)];
  return { perSecond, tercet, bare, p50TimesBare, p99TimesBare };
}

export async function endOf({ database, accepted, repeated }: Rig): Promise<End> {
  return { unfinished: await database.unfinished(), accepted, committed: await database.committed(), repeated };
}

/** What a reader of the numbers must know of it; null: none was repeated. */
export function repeatedText({ repeated }: Pick<End, 'repeated'>): string | null {
  if (repeated === 0) return null;
  const were = repeated === 1 ? '1 begin was' : `${repeated} begins were`;
  return `${were} answered 503 or 504 and repeated: the coordinator could not reach its database in time, or this machine stood still`;
}

/** Of the number of initiators that is next to 64. */
function halfOf(points: readonly Point[]): number {
  const [next] = points.toSorted((a, b) => Math.abs(a.initiators - HALF_OF) - Math.abs(b.initiators - HALF_OF));
  return Math.max(1, Math.round((next?.tercet.perSecond ?? 0) / 2));
}

export async function machineOf({ cores, database, place }: Rig): Promise<Machine> {
  return {
    cores,
    cpu: cpus()[0]?.model ?? arch(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${platform()} ${release()}`,
    node: process.version,
    postgresql: await database.server(),
    isEmbedded: place.databaseUrl === null,
  };
}
