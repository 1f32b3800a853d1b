/** One schedule: some transactions, some coordinators, some trouble; then everything must have come to its end. */
import { isEnded } from '../../src/domain/transaction.js';
import type { Mode, Status } from '../../src/protocol/words.js';
import { MessageWatch } from './message-watch.js';
import { Node } from './node.js';
import type { Surroundings } from './node.js';
import { People } from './people.js';
import { Producers } from './producers.js';
import { SagaWatch } from './saga-watch.js';
import { Services } from './services.js';
import { Watch, WatchedLog } from './watch.js';
import { Chance, World } from './world.js';

/** Virtual time by which the worst schedule must have ended. */
const HORIZON_MS = 600_000;
const LATE_CALLS_MS = 4000;

/** How many transactions came to which end, and of these, how many sagas and messages. */
export type Ends = Record<
  'committed' | 'aborted' | 'sagasCommitted' | 'sagasAborted' | 'messagesCommitted' | 'messagesAborted',
  number
>;

export interface Result {
  readonly violations: readonly string[];
  readonly trail: readonly string[];
  readonly events: number;
  readonly ends: Ends;
}

export async function runSchedule(seed: number, isTraced = false): Promise<Result> {
  const schedule = new Schedule(new World(new Chance(seed), isTraced));
  return schedule.run();
}

class Schedule {
  private readonly around: Surroundings;
  private readonly nodes: Node[] = [];
  private readonly people: People;

  constructor(private readonly world: World) {
    const { chance } = world;
    const sagas = new SagaWatch();
    const producers = new Producers(world);
    const messages = new MessageWatch(world, producers);
    const log = new WatchedLog(world, sagas, messages);
    const services = new Services(world);
    const faults = {
      log: chance.happens(0.5) ? 0 : 0.05,
      network: chance.happens(0.3) ? 0 : 0.08,
      isDatabaseDown: false,
      statementMs: chance.happens(0.2) ? chance.between(4, 100) : 3,
      statements: 0,
    };
    const watch = new Watch(log, services, sagas, messages);
    this.around = { world, log, services, sagas, producers, messages, watch, faults };
    this.people = new People(this.around, this.nodes);
  }

  async run(): Promise<Result> {
    const { world, around, people } = this;
    const { chance } = world;
    const nodes = chance.between(1, 2);
    for (let index = 0; index < nodes; index += 1) this.nodes.push(new Node(`n${index + 1}.1`, around));
    for (let index = chance.between(1, 3); index > 0; index -= 1) people.client(`g${index}`);
    if (chance.happens(0.8)) this.trouble(chance.between(1, 3));
    people.operator();
    await world.run(HORIZON_MS, () => people.busy === 0 && this.isAtRest());
    for (const node of this.nodes) node.kill();
    await world.run(LATE_CALLS_MS, () => false);
    const violations = around.watch.conclude();
    const txs = [...around.log.rows.values()].map((row) => row.held.tx);
    const count = (status: Status, mode?: Mode): number =>
      txs.filter((tx) => tx.status === status && (mode === undefined || tx.mode === mode)).length;
    const ends = {
      committed: count('committed'),
      aborted: count('aborted'),
      sagasCommitted: count('committed', 'saga'),
      sagasAborted: count('aborted', 'saga'),
      messagesCommitted: count('committed', 'message'),
      messagesAborted: count('aborted', 'message'),
    };
    return { violations, trail: world.trail, events: world.events, ends };
  }

  private isAtRest(): boolean {
    if (this.around.faults.statements > 0) return false;
    for (const { held } of this.around.log.rows.values()) if (!isEnded(held.tx)) return false;
    return true;
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
        this.people.start(async () => {
          await this.people.sleep(chance.happens(0.3) ? chance.between(1, 50) : chance.between(50, 6000));
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
}
