/** A coordinator in memory for the tests of those who use Tercet: the real engine, in time that nobody waits for. */
import type { Transaction } from '../../domain/transaction.js';
import { eventView, transactionView } from '../../engine/view.js';
import type { Waiting } from '../../engine/waiting.js';
import type { Json, TimelineView, TransactionView } from '../../protocol/words.js';
import type { TercetClient } from '../client.js';
import type { BeginRequest, DecisionOptions, WaitOptions } from '../requests.js';
import { accountOf } from './account.js';
import { CHUNK_MS, Cluster } from './cluster.js';
import type { OpOf, TestComponents } from './components.js';
import { effectsIn, incompleteIn } from './effects.js';
import type { Effect } from './effects.js';
import { Episodes } from './episodes.js';
import { Faults } from './faults.js';
import type { PlannedFault } from './faults.js';
import { TestParticipants } from './participants.js';
import type { CallRecord } from './participants.js';
import { askedOf } from './request.js';
import { World } from './world.js';

export interface TestOptions<C extends TestComponents = TestComponents> {
  /** By the name that branches use. */
  components: C;
  /**
   * What your components have done to the world, as data: objects, arrays, maps, sets. With it the kit sees what
   * a compensation or a cancel leaves behind; without it, it only sees that your function returned.
   */
  state?: () => unknown;
}

interface Planning {
  /** Calls that it meets, from the next one on; default 1. */
  times?: number;
  /** Only calls of this branch; default: any of the component's. */
  branchId?: string;
}

/** A delivery on its way to Kafka. */
export interface QueuedMessage {
  readonly gid: string;
  readonly branchId: string;
  readonly topic: string;
  readonly key: string | null;
  /** Those that the message gave; the ones of CloudEvents stand beside them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Json;
}

const SEER = { seesPayloads: true };

/**
 * Takes the place of TercetClient, too, where a program under test only begins, looks and orders: `begin`, `get`,
 * `timeline`, `submit`, `abort`, `resume` and `force` are the client's. A begin whose coordinator dies is repeated, as the
 * client does. All of them move the clock as far as what they wait for needs.
 */
export class TestCoordinator<C extends TestComponents = TestComponents> implements Pick<
  TercetClient,
  'begin' | 'get' | 'timeline' | 'submit' | 'abort' | 'resume' | 'force'
> {
  private readonly world = new World();
  private readonly faults = new Faults();
  private readonly participants: TestParticipants;
  private readonly cluster: Cluster;
  private readonly episodes: Episodes;
  private begun = 0;

  constructor({ components, state }: TestOptions<C>) {
    this.participants = new TestParticipants(this.world, components, this.faults, state);
    this.cluster = new Cluster(this.world, this.participants, components);
    this.episodes = new Episodes(
      () => this.participants.look(),
      (gid) => this.cluster.find(gid),
    );
  }

  /** Virtual time, ms since the epoch. It begins on 1 January 2030 and stands still while your functions are at work. */
  readonly clock = { now: (): number => this.world.now };

  /** The participant says no, with `reason`; with `error` it fails as with status 500. Your function is not called. */
  failAt<K extends keyof C & string>(
    component: K,
    op: OpOf<C[K]>,
    { reason, error, ...planning }: Planning & { reason?: string; error?: string } = {},
  ): this {
    const fault =
      error === undefined
        ? ({ kind: 'refused', reason: reason ?? 'refused by the test' } as const)
        : ({ kind: 'failed', detail: error } as const);
    return this.plan({ component, op, fault, times: 1, ...planning });
  }

  /**
   * The coordinator hears nothing until the timeout. `takesEffect`: false (default), the call got lost; true, only its
   * answer did; `late`, it arrives when the transaction is over.
   */
  timeoutAt<K extends keyof C & string>(
    component: K,
    op: OpOf<C[K]>,
    { takesEffect = false, ...planning }: Planning & { takesEffect?: boolean | 'late' } = {},
  ): this {
    return this.plan({ component, op, fault: { kind: 'timeout', takesEffect }, times: 1, ...planning });
  }

  /**
   * The coordinator is killed, before the call leaves or after it was answered and before that is durable. Another one
   * takes over when its lease has run out.
   */
  crashAt<K extends keyof C & string>(
    component: K,
    op: OpOf<C[K]>,
    { when, ...planning }: Planning & { when: 'before' | 'after' },
  ): this {
    return this.plan({ component, op, fault: { kind: 'crash', when }, times: 1, ...planning });
  }

  /** What `failAt`, `timeoutAt` and `crashAt` do, for whoever makes faults by a program. */
  plan(fault: PlannedFault): this {
    this.faults.plan(fault);
    return this;
  }

  /** As `TercetClient.begin`: by default it waits for the decision, and for nothing where a message is begun. */
  async begin(request: BeginRequest): Promise<TransactionView> {
    const { wait: until = request.mode === 'message' ? 'accepted' : 'decided', waitMs: ms = 30_000 } = request;
    return this.beginUntil(request, { until, ms });
  }

  /** Begins, and moves the clock until the transaction has ended or is parked. A message is decided by its check. */
  async run(request: BeginRequest): Promise<TransactionView> {
    const { gid } = await this.beginUntil(request, { until: 'settled', ms: CHUNK_MS });
    return this.end(gid);
  }

  /** Moves the clock until everything that was begun has ended or is parked. */
  async settle(): Promise<void> {
    for (const { held } of this.cluster.rows()) await this.end(held.tx.gid);
  }

  /** Moves the clock, and lets happen what is due until then. */
  async advance(ms: number): Promise<void> {
    await this.world.advance(ms);
    this.participants.checkTrouble();
    this.episodes.close();
  }

  async get(gid: string): Promise<TransactionView> {
    return viewOf(await this.cluster.ask((coordinator) => coordinator.get(gid, null)));
  }

  async timeline(gid: string): Promise<TimelineView> {
    const events = await this.cluster.ask((coordinator) => coordinator.timeline(gid));
    return { gid, events: events.map((event) => eventView(event, SEER)) };
  }

  /** Of a message: its local transaction has committed. */
  async submit(gid: string, options: DecisionOptions & WaitOptions = {}): Promise<TransactionView> {
    const { reason = '', by = 'initiator', wait: until = 'decided', waitMs: ms = 30_000 } = options;
    const order = by === 'operator' ? { who: 'operator', reason } : null;
    const { tx } = await this.cluster.ask((coordinator) => coordinator.submit(gid, { until, ms }, order));
    this.episodes.close();
    return viewOf(tx);
  }

  async abort(gid: string, options: DecisionOptions & WaitOptions = {}): Promise<TransactionView> {
    const { reason = null, by = 'initiator', wait: until = 'decided', waitMs: ms = 30_000 } = options;
    const order = by === 'operator' ? { who: 'operator', reason: reason ?? '' } : null;
    const { tx } = await this.cluster.ask((coordinator) => coordinator.abort(gid, reason, { until, ms }, order));
    this.episodes.close();
    return viewOf(tx);
  }

  /** Lets a parked transaction go on; `settle` sees it to its end. */
  async resume(gid: string, reason: string): Promise<TransactionView> {
    return viewOf(await this.cluster.ask(({ operator }) => operator.act(gid, 'resume', { who: 'operator', reason })));
  }

  /** Takes a parked branch as done. */
  async force(gid: string, branchId: string, reason: string): Promise<TransactionView> {
    return viewOf(await this.cluster.ask(({ operator }) => operator.force(gid, branchId, { who: 'operator', reason })));
  }

  /** Ends work for which a function returned `new Pending()`, as `fence.complete` does; it is heard of when it is next asked. */
  complete(branch: { gid: string; branchId: string; op: Exclude<OpOf<C[keyof C]>, 'check'> }, reply?: unknown): void {
    if (!this.participants.fence.complete(branch, reply)) {
      throw new Error(`no ${branch.op} of branch '${branch.branchId}' of '${branch.gid}' is pending`);
    }
  }

  /** Every call that left or was to leave, oldest first. */
  calls(): CallRecord[] {
    return this.participants.records.map((record) => ({ ...record }));
  }

  /** What stands in the outbox for Kafka, those of each message in their order. */
  queued(): QueuedMessage[] {
    return this.cluster.rows().flatMap(({ held }) => queuedOf(held.tx));
  }

  /** What took effect, and whether it still stands. */
  effects(): Effect[] {
    return effectsIn(this.participants.records);
  }

  /** Everything that happened, in words. */
  account(): string {
    const beginMs = this.world.now - this.world.elapsedMs;
    const accounts = this.cluster.rows().map(({ held, events }) => {
      const shown = events.map((event) => eventView(event, SEER));
      return accountOf(viewOf(held.tx), shown, this.participants.records, beginMs);
    });
    return accounts.join('\n\n');
  }

  /** What is neither all nor nothing, in words; empty where all is well. */
  problems(): string[] {
    this.episodes.close();
    const effects = this.effects();
    return [
      ...this.cluster.rows().flatMap(({ held }) => incompleteIn(viewOf(held.tx), effects)),
      ...this.episodes.leftBehind(this.participants.records),
      ...this.faults.unmet(),
    ];
  }

  /**
   * Every committed transaction has all its effects, and no aborted one has left any, in `state` neither. A planned fault
   * that was never met fails it, too.
   *
   * @throws Error that tells what is wrong and everything that happened
   */
  expectAllOrNothing(): void {
    const problems = this.problems();
    if (problems.length === 0) return;
    throw new Error(['not all or nothing:', ...problems.map((text) => `- ${text}`), '', this.account()].join('\n'));
  }

  private async beginUntil(request: BeginRequest, waiting: Waiting): Promise<TransactionView> {
    const gid = request.gid ?? `tx-${(this.begun += 1)}`;
    if (!this.cluster.find(gid)) this.episodes.open(gid);
    const { tx } = await this.cluster.ask(async (coordinator) => coordinator.begin(askedOf(request, gid), waiting));
    this.episodes.close();
    return viewOf(tx);
  }

  private async end(gid: string): Promise<TransactionView> {
    const tx = await this.cluster.end(gid);
    this.episodes.close();
    return viewOf(tx);
  }
}

function queuedOf({ gid, branches }: Transaction): QueuedMessage[] {
  return branches.flatMap(({ branchId, state, topic, payload }) =>
    topic && state === 'queued' ? [{ gid, branchId, ...topic, payload: JSON.parse(payload) as Json }] : [],
  );
}

function viewOf(tx: Transaction): TransactionView {
  return transactionView(tx, SEER);
}
