/** One schedule: some transactions, some coordinators, some trouble; then everything must have come to its end. */
import { isEnded } from '../../src/domain/transaction.js';
import type { Transaction } from '../../src/domain/transaction.js';
import type { NewBranch } from '../../src/engine/begin.js';
import type { Coordinator } from '../../src/engine/coordinator.js';
import { TercetError } from '../../src/protocol/errors.js';
import type { Wait } from '../../src/protocol/words.js';
import { Node } from './node.js';
import type { Surroundings } from './node.js';
import { Services } from './services.js';
import { Watch, WatchedLog } from './watch.js';
import { Chance, World } from './world.js';

/** Virtual time by which the worst schedule must have ended. */
const HORIZON_MS = 600_000;
const LATE_CALLS_MS = 4000;

export interface Result {
  readonly violations: readonly string[];
  readonly trail: readonly string[];
  readonly events: number;
  readonly ends: { committed: number; aborted: number };
}

export async function runSchedule(seed: number, isTraced = false): Promise<Result> {
  const schedule = new Schedule(new World(new Chance(seed), isTraced));
  return schedule.run();
}

class Schedule {
  private readonly around: Surroundings;
  private readonly nodes: Node[] = [];
  private busy = 0;
  /** How often somebody may still park what needs no parking. */
  private parks: number;

  constructor(private readonly world: World) {
    const { chance } = world;
    const log = new WatchedLog(world);
    const services = new Services(world);
    const faults = {
      log: chance.happens(0.5) ? 0 : 0.05,
      network: chance.happens(0.3) ? 0 : 0.08,
      isDatabaseDown: false,
      statements: 0,
    };
    this.parks = chance.happens(0.3) ? chance.between(1, 3) : 0;
    this.around = { world, log, services, watch: new Watch(log, services), faults };
  }

  async run(): Promise<Result> {
    const { world, around } = this;
    const { chance } = world;
    const count = chance.between(1, 2);
    for (let index = 0; index < count; index += 1) this.nodes.push(new Node(`n${index + 1}.1`, around));
    for (let index = chance.between(1, 3); index > 0; index -= 1) this.client(`g${index}`);
    if (chance.happens(0.8)) this.trouble(chance.between(1, 3));
    this.operator();
    await world.run(HORIZON_MS, () => this.busy === 0 && this.isAtRest());
    for (const node of this.nodes) node.kill();
    await world.run(LATE_CALLS_MS, () => false);
    const violations = around.watch.conclude();
    const txs = [...around.log.rows.values()].map((row) => row.held.tx);
    const ends = {
      committed: txs.filter((tx) => tx.status === 'committed').length,
      aborted: txs.filter((tx) => tx.status === 'aborted').length,
    };
    return { violations, trail: world.trail, events: world.events, ends };
  }

  private isAtRest(): boolean {
    if (this.around.faults.statements > 0) return false;
    for (const { held } of this.around.log.rows.values()) if (!isEnded(held.tx)) return false;
    return true;
  }

  /** Something that must have finished before the schedule can end. */
  private start(work: () => Promise<void>): void {
    this.busy += 1;
    void work().finally(() => (this.busy -= 1));
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.after(ms, resolve));
  }

  private node(): Node {
    return this.nodes[this.world.chance.between(0, this.nodes.length - 1)] as Node;
  }

  private client(gid: string): void {
    const { chance } = this.world;
    const branches = ['a', 'b', 'c'].slice(0, chance.between(1, 3)).map((name) => ({
      branchId: name,
      component: name,
      payload: '{"amount":1}',
    }));
    if (chance.happens(0.35)) this.start(() => this.initiator(gid, branches));
    else {
      this.start(() => this.begin(gid, branches, 'coordinator'));
      if (chance.happens(0.2)) this.start(() => this.begin(gid, branches, 'coordinator'));
    }
    if (chance.happens(0.2)) {
      this.start(async () => {
        await this.sleep(chance.between(1, 400));
        await this.patiently(1, (node) =>
          node.ask((coordinator) => coordinator.abort(gid, 'changed my mind', this.waiting())),
        );
      });
    }
  }

  private waiting(): { until: Wait; ms: number } {
    const { chance } = this.world;
    const until = (['accepted', 'decided', 'settled'] as const)[chance.between(0, 2)] ?? 'decided';
    return { until, ms: chance.between(1, 3000) };
  }

  private async begin(gid: string, branches: readonly NewBranch[], drive: 'coordinator' | 'initiator'): Promise<void> {
    const { chance } = this.world;
    const deadlineMs = chance.happens(0.2) ? chance.between(1, 300) : chance.between(300, 6000);
    const request = { gid, contentHash: 'h', mode: 'tcc', drive, businessKey: null, deadlineMs, branches } as const;
    await this.patiently(6, (node) => node.ask((coordinator) => coordinator.begin(request, this.waiting())));
  }

  /** Registers and tries the branches itself, then submits, aborts, or vanishes. */
  private async initiator(gid: string, branches: readonly NewBranch[]): Promise<void> {
    const { chance } = this.world;
    await this.begin(gid, [], 'initiator');
    const tried: boolean[] = [];
    const all = branches.map(async (branch) => {
      const isRegistered = await this.patiently(3, (node) =>
        node.ask((coordinator) => coordinator.register(gid, branch)),
      );
      if (!isRegistered) return;
      await this.sleep(chance.between(1, 100));
      if (this.around.services.handle(`${gid}/${branch.branchId}`, 'try').kind === 'done') tried.push(true);
    });
    await Promise.all(all);
    if (chance.happens(0.15)) return;
    const isComplete = tried.length === branches.length && !chance.happens(0.1);
    await this.patiently(4, (node) =>
      node.ask((coordinator) =>
        isComplete ? coordinator.submit(gid, this.waiting()) : coordinator.abort(gid, null, this.waiting()),
      ),
    );
  }

  /** Asks one node after another until one answers; a refusal is an answer. True: it was no refusal. */
  private async patiently(tries: number, ask: (node: Node) => Promise<{ tx: Transaction }>): Promise<boolean> {
    for (let attempt = 0; attempt < tries; attempt += 1) {
      try {
        const { tx } = await ask(this.node());
        this.world.note(`client: ${tx.gid} is ${tx.status}`);
        this.around.watch.answered(tx);
        return true;
      } catch (error) {
        if (error instanceof TercetError) return false;
        await this.sleep(this.world.chance.between(20, 1200));
      }
    }
    return false;
  }

  /** Kills, freezes and cuts off, a bounded number of times. */
  private trouble(times: number): void {
    const { chance } = this.world;
    if (times === 0) return;
    this.world.after(chance.between(1, [8, 120, 120, 3000][chance.between(0, 3)] ?? 120), () => {
      const index = chance.between(0, this.nodes.length - 1);
      const node = this.nodes[index] as Node;
      const kind = chance.next();
      if (!node.process.isAlive) this.world.note('nothing to do: it is dead already');
      else if (kind < 0.55) {
        node.kill();
        const [name, start] = node.process.name.split('.');
        this.start(async () => {
          await this.sleep(chance.happens(0.3) ? chance.between(1, 50) : chance.between(50, 6000));
          this.nodes[index] = new Node(`${name}.${Number(start) + 1}`, this.around);
        });
      } else if (kind < 0.85) node.process.freeze(chance.between(100, 7000));
      else {
        this.world.note('the database goes away');
        this.around.faults.isDatabaseDown = true;
        this.world.after(chance.between(50, 4000), () => {
          this.world.note('the database is back');
          this.around.faults.isDatabaseDown = false;
        });
      }
      this.trouble(times - 1);
    });
  }

  /** Lets go on what is parked, or gives it up, and parks what is not, as a person on call does. */
  private operator(): void {
    const { chance } = this.world;
    this.world.after(1000, () => {
      for (const { held } of this.around.log.rows.values()) {
        if (held.tx.parked) this.start(() => this.relieve(held.tx));
        else if (!isEnded(held.tx) && this.parks > 0 && chance.happens(0.2)) this.start(() => this.park(held.tx.gid));
      }
      this.operator();
    });
  }

  private async relieve({ gid, branches }: Transaction): Promise<void> {
    const { chance } = this.world;
    const order = { reason: 'fixed', who: 'somebody' };
    const { branchId } = branches[chance.between(0, branches.length - 1)] ?? { branchId: 'a' };
    const kind = chance.next();
    if (kind < 0.3) {
      // Often refused: the branch is not parked.
      await this.ask(gid, (coordinator) => coordinator.operator.force(gid, branchId, order));
      return;
    }
    this.around.watch.released(gid);
    await this.ask(gid, (coordinator) => coordinator.operator.act(gid, kind < 0.5 ? 'retry' : 'resume', order));
  }

  private async park(gid: string): Promise<void> {
    this.parks -= 1;
    const order = { reason: 'let me look', who: 'somebody' };
    const isParked = await this.ask(gid, (coordinator) => coordinator.operator.act(gid, 'park', order));
    if (isParked) this.around.watch.parkedByHand(gid);
  }

  private ask(gid: string, what: (coordinator: Coordinator) => Promise<Transaction>): Promise<boolean> {
    this.world.note(`somebody looks after ${gid}`);
    return this.patiently(1, async (node) => ({ tx: await node.ask(what) }));
  }
}
