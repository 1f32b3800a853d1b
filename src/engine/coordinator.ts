/** The public face of the engine, free of HTTP: begin, register, submit, abort, look, wait. */
import type { Branch, Transaction } from '../domain/transaction.js';
import { TercetError } from '../protocol/errors.js';
import { componentFor, newBranch, opsOf } from './begin.js';
import type { BeginRequest, NewBranch } from './begin.js';
import { Begins } from './begins.js';
import { Decisions } from './decisions.js';
import type { Wanted } from './decisions.js';
import { Driver } from './driver.js';
import { Membership } from './membership.js';
import { Operator, unknownTransaction } from './operator.js';
import type { BulkDone, BulkOrder } from './operator.js';
import { LogOutcomeUnknown, LogUnavailable, MemberDead } from './ports.js';
import type {
  Clock,
  ComponentDirectory,
  Held,
  ListFilter,
  Logger,
  Member,
  Observer,
  Participants,
  PreparedCall,
  Steering,
  TimelineEvent,
  TransactionLog,
  UnderWay,
} from './ports.js';
import { Observers } from './observers.js';
import { Recovery } from './recovery.js';
import { Steady } from './steady.js';
import { collapse } from './timeline.js';
import type { Order } from './timeline.js';
import { pause, waitFor } from './waiting.js';
import type { Answered, Waiting } from './waiting.js';

export interface CoordinatorParts {
  readonly log: TransactionLog;
  readonly components: ComponentDirectory;
  readonly participants: Participants;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Name of this node in leases and timelines. */
  readonly node: string;
  /** A dead node's work is taken over after at most this long. */
  readonly leaseMs: number;
  /** What people change while it runs; default: nothing. */
  readonly steering?: Steering;
  /** Whether messages may go to topics; default: they are refused. */
  readonly isKafkaOn?: boolean;
  /** Makes the gids of begins that bring none; default: UUIDv7. */
  readonly makeGid?: () => Promise<string>;
  /** None unless given. */
  readonly observers?: readonly Observer[];
  /** What is kept of the trace that a begin names in its `traceparent`; default: that it is passed on. */
  readonly traceOf?: (request: BeginRequest) => string | null;
}

/**
 * Every method rejects with a TercetError for what the asker can set right, with LogUnavailable when nothing was
 * done, and with LogOutcomeUnknown when a write was sent and its answer lost.
 */
export class Coordinator {
  private readonly membership: Membership;
  private readonly driver: Driver;
  private readonly recovery: Recovery;
  private readonly observers: Observers;
  private readonly begins: Begins;
  private readonly decisions: Decisions;
  private readonly steering: Steering;
  /** What a person on call does. */
  readonly operator: Operator;
  private isAccepting = false;
  private isDraining = false;
  private isClosing = false;

  constructor(private readonly parts: CoordinatorParts) {
    const { log, clock, logger, leaseMs } = parts;
    const observers = (this.observers = new Observers(parts.observers ?? [], logger));
    this.membership = new Membership(parts, () => {
      this.driver.stopAll();
      observers.leaseLost();
    });
    const steering = (this.steering = parts.steering ?? new Steady());
    const { membership } = this;
    this.driver = new Driver({ ...parts, membership, observers, steering });
    const { driver } = this;
    this.recovery = new Recovery({ log, driver, membership, clock, logger, leaseMs, observers, steering });
    const asked = { driver, steering, problems: () => this.problems() };
    this.begins = new Begins(parts, asked, (write) => this.owning(write));
    this.decisions = new Decisions(parts, this.driver, observers, (write) => this.owning(write));
    this.operator = new Operator(parts, this.driver, (write) => this.owning(write));
  }

  /** Joins the members; from then on it drives and takes over. Rejects when the log cannot be reached. */
  async start(): Promise<void> {
    await this.membership.start();
    this.recovery.start();
    this.isAccepting = true;
  }

  /**
   * Accepts no new transactions; finishes what is under way, or after `limitMs` hands it to other nodes. Then whoever
   * still waits is answered with what is known.
   */
  async drain(limitMs: number): Promise<void> {
    this.isAccepting = false;
    this.isDraining = true;
    this.recovery.stop();
    await pause(this.parts.clock, limitMs, (released) => void this.driver.release().then(released));
    this.isClosing = true;
    this.driver.stopAll();
    await this.membership.stop();
  }

  /** Why it cannot take requests now, beginning with the part that is wrong; empty when it can. */
  problems(): string[] {
    if (this.isDraining) return ['draining: this node ends, and begins nothing new'];
    if (!this.isAccepting) return ['starting: this node has no lease yet'];
    const problem = this.membership.problem();
    return problem === null ? [] : [problem];
  }

  /** This node among the members. @throws LogUnavailable while it has no valid lease */
  get member(): string {
    return this.membership.current.id;
  }

  /** What this node drives at this moment; parked ones are not among them. */
  underWay(): readonly UnderWay[] {
    return this.driver.all();
  }

  /** Records the transaction and drives it. A gid that is known is answered with what is recorded (G11). */
  async begin(request: BeginRequest, waiting: Waiting): Promise<Answered & { begun: boolean }> {
    const { inserted, held } = await this.begins.make(request);
    if (inserted) {
      this.observers.begun(held.tx);
      if (held.tx.decision !== null) this.observers.decided(held.tx);
      this.driver.drive(held, true);
    }
    return { ...(await this.wait(held, waiting)), begun: inserted };
  }

  /** Records a branch of an open, initiator-driven transaction before its try is called (G3). */
  async register(
    gid: string,
    asked: NewBranch,
  ): Promise<{ tx: Transaction; branch: Branch; registered: boolean; call: PreparedCall }> {
    const component = await componentFor(this.parts.components, asked.component, opsOf('tcc', '', null), 'component');
    const started = newBranch(asked, this.parts.clock.now());
    const answer = await this.parts.log.register(gid, started);
    if (!answer) throw unknownTransaction(gid);
    const { result, held } = answer;
    this.driver.see(held);
    if (result !== 'registered' && result !== 'exists') throw registerRefusal(held.tx, asked.branchId, result);
    const branch = held.tx.branches.find((candidate) => candidate.branchId === asked.branchId) ?? started;
    const { release } = held.tx;
    if (!this.steering.isKnown(release)) await this.steering.learn(release);
    const steered = this.steering.component(component, release);
    const call = this.parts.participants.prepare({ tx: held.tx, branch, op: 'try', attempt: 1, component: steered });
    return { tx: held.tx, branch, registered: result === 'registered', call };
  }

  /** Decides commit of an initiator-driven transaction. @param by as of an abort; of a message alone */
  submit(gid: string, waiting: Waiting, by: Order | null = null): Promise<Answered> {
    return this.decide(gid, { decision: 'commit', reason: null, by }, waiting);
  }

  /** Decides abort of any open transaction. @param by null: whoever began it; else the person on call, and why */
  abort(gid: string, detail: string | null, waiting: Waiting, by: Order | null = null): Promise<Answered> {
    const reason = { kind: by ? 'operator' : 'requested', ...(detail === null ? {} : { detail }) } as const;
    return this.decide(gid, { decision: 'abort', reason, by }, waiting);
  }

  /** An operator's order for all that a filter finds. */
  bulk(order: BulkOrder): Promise<BulkDone> {
    const at = { until: 'accepted', ms: 0 } as const;
    return this.operator.bulk(order, (gid) => this.abort(gid, order.reason, at, order));
  }

  async get(gid: string, waiting: Waiting | null): Promise<Transaction> {
    await this.driver.caughtUp(gid);
    const held = await this.parts.log.get(gid);
    if (!held) throw unknownTransaction(gid);
    return waiting ? (await this.wait(held, waiting)).tx : held.tx;
  }

  async list(filter: ListFilter): Promise<{ items: Transaction[]; next: string | null }> {
    const { items, next } = await this.parts.log.list(filter);
    return { items: items.map((held) => held.tx), next };
  }

  async timeline(gid: string): Promise<TimelineEvent[]> {
    await this.driver.caughtUp(gid);
    const events = await this.parts.log.timeline(gid);
    if (!events) throw unknownTransaction(gid);
    const told: TimelineEvent[] = [];
    for (const event of events) collapse(told, event);
    return told;
  }

  private async decide(gid: string, wanted: Wanted, waiting: Waiting): Promise<Answered> {
    return this.wait(await this.decisions.make(gid, wanted), waiting);
  }

  /** A write that makes this node an owner. If its answer is lost, recovery looks for what this node owns. */
  private async owning<T>(write: (member: Member) => Promise<T>): Promise<T> {
    const member = this.membership.current;
    try {
      return await write(member);
    } catch (error) {
      if (error instanceof LogOutcomeUnknown) this.recovery.doubt();
      if (!(error instanceof MemberDead)) throw error;
      void this.membership.lost(member);
      throw new LogUnavailable('this node was declared dead and joins again', { cause: error });
    }
  }

  private wait(held: Held, waiting: Waiting): Promise<Answered> {
    const { log, clock } = this.parts;
    return waitFor(held, waiting, { log, clock, driver: this.driver, isClosing: () => this.isClosing });
  }
}

function registerRefusal(tx: Transaction, branchId: string, result: 'conflict' | 'closed' | 'full'): TercetError {
  if (result === 'conflict') {
    return new TercetError(
      'TERCET_BRANCH_CONFLICT',
      `branch '${branchId}' of '${tx.gid}' was registered with another component or payload; use a branchId of its own`,
    );
  }
  if (result === 'full') {
    return new TercetError('TERCET_TRANSACTION_STATE', `'${tx.gid}' has as many branches as it may`);
  }
  if (tx.status !== 'open') {
    return new TercetError('TERCET_TRANSACTION_DECIDED', `'${tx.gid}' is ${tx.status}: no branch can join it any more`);
  }
  return new TercetError('TERCET_TRANSACTION_STATE', `'${tx.gid}' takes no more branches: all were given at begin`);
}
