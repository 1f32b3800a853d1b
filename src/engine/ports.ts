/** What the engine needs from outside. Each port has two implementations and one contract suite for both. */
import type { Branch, Outcome, Transaction } from '../domain/transaction.js';
import type { CheckPolicy, Decision, EventView, Mode, Op, Reason, RetryPolicy, Status } from '../protocol/words.js';

/** One start of one node. `id` is never used again. */
export interface Member {
  readonly id: string;
  readonly node: string;
}

/** A transaction as the log holds it, with what a write must match to count (G6). */
export interface Held {
  readonly tx: Transaction;
  /** Member id. */
  readonly owner: string;
  /** Raised whenever the ownership changes hands or somebody outside decides. */
  readonly epoch: number;
  /** Raised by every write. */
  readonly version: number;
}

/** One line of the timeline; `at` in ms. */
export interface TimelineEvent extends Omit<EventView, 'at'> {
  readonly at: number;
}

export interface ListFilter {
  readonly status?: Status;
  readonly mode?: Mode;
  readonly component?: string;
  readonly businessKey?: string;
  readonly parked?: boolean;
  /** Only what has not ended, or only what has. */
  readonly unfinished?: boolean;
  /** Bounds of beganAt, ms, both inclusive. */
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
  /** The cursor that an earlier page gave. */
  readonly after?: string;
}

/** Nothing was written and nothing will be: the log cannot be reached, or refuses this member. */
export class LogUnavailable extends Error {
  override readonly name = 'LogUnavailable';
}

/** The write was sent and its answer was lost: it may be durable or not. Ask again with `get`. */
export class LogOutcomeUnknown extends Error {
  override readonly name = 'LogOutcomeUnknown';
}

/** The member was declared dead: others own what it owned, and it can own nothing before it joins under a new id. */
export class MemberDead extends Error {
  override readonly name = 'MemberDead';
}

/** The member would begin under an epoch that has passed: look what is in force, and begin again. Nothing was written. */
export class EpochOver extends Error {
  override readonly name = 'EpochOver';
}

/**
 * The durable memory, of what is unfinished and of what has ended, for as long as that is kept. Every promise that resolves to a success resolves after COMMIT. Any method may reject
 * with LogUnavailable; those that write also with LogOutcomeUnknown; those that make a member the owner of
 * something (insert, decide, take, takeOver) also with MemberDead: nobody looks for what a dead member comes to
 * own after its rows were taken over.
 */
export interface TransactionLog {
  /**
   * Records a new transaction and all its branches, owned by `member`, epoch 1, version 1, and `events` behind that
   * of its begin. A gid that is there, unfinished or ended, changes nothing: the recorded one comes back.
   *
   * @param epoch of the configuration under which it begins; default 0, the first. It is committed before another epoch
   * comes into force, or rejects with EpochOver and was not written
   */
  insert(
    member: Member,
    tx: Transaction,
    contentHash: string,
    events?: readonly TimelineEvent[],
    epoch?: number,
  ): Promise<{ inserted: boolean; held: Held; sameContent: boolean }>;

  /**
   * The owner's write, or the end that a decision from outside is: counts only while owner, epoch and version match,
   * and nothing comes after an end. Resolves to the new Held or 'lost'. Deliveries that it puts on their way to Kafka
   * stand in the outbox by the same write. `canWait`: nobody waits for it, it may go out with the next that is awaited.
   */
  save(held: Held, tx: Transaction, events: readonly TimelineEvent[], canWait?: boolean): Promise<Held | 'lost'>;

  /**
   * A decision from outside, made only while the transaction is open; `member` becomes the owner with a
   * higher epoch. `decided: false` gives back the transaction as it is; null: no such gid. What goes to Kafka at once
   * stands in the outbox by the same write.
   *
   * @param seen as it was read, at whatever version: of it only what never changes is used
   */
  decide(
    member: Member,
    seen: Transaction,
    decision: Decision,
    reason: Reason | null,
    at: number,
    events: readonly TimelineEvent[],
  ): Promise<{ decided: boolean; held: Held } | null>;

  /** Takes one unfinished transaction from whoever owns it; null: no such gid, or it has ended. */
  take(member: Member, gid: string): Promise<Held | null>;

  /**
   * Records a branch of an open, initiator-driven transaction and raises its version, so that a decision
   * that did not see the branch cannot be written. Null: no such gid. `held` is the state after the call. One that
   * has ended is closed, save for the branches that it has: they exist, or conflict.
   */
  register(
    gid: string,
    branch: Branch,
  ): Promise<{ result: 'registered' | 'exists' | 'conflict' | 'closed' | 'full'; held: Held } | null>;

  get(gid: string): Promise<Held | null>;
  /**
   * Newest first by beganAt, then gid. A page may be shorter than its limit, or empty, and yet have a `next`: where
   * replies are long, or where a filter has looked far through what has ended without finding enough.
   */
  list(filter: ListFilter): Promise<{ items: Held[]; next: string | null }>;
  /** Oldest first; null: no such gid. */
  timeline(gid: string): Promise<TimelineEvent[] | null>;
  contentHash(gid: string): Promise<string | null>;

  /** Starts a lease of `leaseMs` for a new member. */
  join(node: string, leaseMs: number): Promise<Member>;
  /** Extends the lease; false: the member was declared dead. */
  renew(member: Member, leaseMs: number): Promise<boolean>;
  /** Gives back everything at once: others may take over without waiting for the lease to run out. */
  leave(member: Member): Promise<void>;
  /**
   * Declares members dead whose lease ran out, and takes up to `limit` unfinished transactions of dead
   * members, the oldest of each first, skipping rows that another node is taking. Empty: nothing is left to take.
   */
  takeOver(member: Member, limit: number): Promise<Held[]>;
  /** Gid and version of each unfinished transaction of this member, parked ones too: what it should know of. */
  owned(member: Member): Promise<ReadonlyMap<string, number>>;
}

/** One running instance of a component. */
export interface Instance {
  readonly name: string;
  /** The operations are at `url/{op}`; no slash at its end. */
  readonly url: string;
  /** When its lease runs out unless it beats, on the monotonic clock of this node, ms. */
  readonly aliveUntil: number;
}

/** What the engine must know of a registered component. */
export interface Component {
  readonly name: string;
  readonly timeoutMs: number;
  /** Calls at a time, from each node. */
  readonly concurrency: number;
  /** From each node; null: no limit. */
  readonly callsPerSecond: number | null;
  readonly retry: RetryPolicy;
  /** Of messages that say nothing else. */
  readonly check: CheckPolicy;
  /** URL of each operation while no instance is alive; absent where the component lacks it. */
  readonly targets: Readonly<Partial<Record<Op, string>>>;
  /** The instances that `op` is called at, as of now; look at `aliveUntil`. None: call `targets`. */
  instances(op: Op): readonly Instance[];
}

export interface ComponentDirectory {
  /** As last seen: at most a second old. A deleted component is still found while it may be in use. */
  get(name: string): Component | undefined;
  /** As `get`, but asks the store when the name is not known here yet. Undefined: not registered. */
  find(name: string): Promise<Component | undefined>;
}

export interface CallRequest {
  readonly tx: Transaction;
  readonly branch: Branch;
  readonly op: Op;
  readonly attempt: number;
  readonly component: Component;
  /** Asked at the last moment before the call leaves; false: this node may no longer drive, the call is postponed. */
  mayLeave(): boolean;
  /** By the clock's `monotonic`: what has not left by then does not leave, and is postponed. */
  leaveBy(): number;
  /** To be called once a call that was postponed may leave: it is asked for again then, and not only in its time. */
  wake(): void;
  /** `cut` is called when nobody wants the answer of what has left any more: the call ends as unknown then. */
  whenStopped(cut: () => void): void;
}

/** A call as whoever drives the transaction may send it: an HTTP POST. */
export interface PreparedCall {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

/** What the release in force says of this node. */
export interface InForce {
  /** Null: none was ever released. */
  readonly release: number | null;
  readonly epoch: number;
  /** Transactions under way on this node above which begins are refused. */
  readonly maxUnfinished: number;
  /** Transactions of dead members that are taken over at a time. */
  readonly takeOverBatch: number;
}

/**
 * What people change while the node runs. A value is live (what counts is what is in force now), or pinned: a
 * transaction keeps what the release says that it began under, on whatever node.
 */
export interface Steering {
  readonly inForce: InForce;
  /** Looks now what is in force; rejects with LogUnavailable. */
  refresh(): Promise<void>;
  /** Whether `component` can tell of this release without asking the store. */
  isKnown(release: number | null): boolean;
  /** Resolves when it can; rejects with LogUnavailable. */
  learn(release: number | null): Promise<void>;
  /** The component as a transaction sees it that began under `release`: pinned values of that, live ones of now. */
  component(registered: Component, release: number | null): Component;
  /** Why nothing is called of the component now; null: it is. */
  pausedBecause(component: string): string | null;
  /** Counts one begin; how many ms until one is allowed, if none is now. */
  admit(): number | null;
}

/** How a branch is called. */
export interface Participants {
  /** Never rejects: whatever happens is an outcome. */
  call(request: CallRequest): Promise<Outcome>;
  /** The same call, not sent. */
  prepare(request: Omit<CallRequest, 'mayLeave' | 'leaveBy' | 'wake' | 'whenStopped'>): PreparedCall;
}

/** Time. `now` follows the clock of the database, so that all nodes mean the same by it. */
export interface Clock {
  /** Wall time in ms since the epoch. */
  now(): number;
  /** Milliseconds that only ever grow, for leases and durations. */
  monotonic(): number;
  /** Runs once after `ms`; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
}

/** One call that came to an end. `postponed` is none: that call was never made, and comes again. */
export interface AnsweredCall {
  readonly tx: Transaction;
  readonly branch: Branch;
  readonly op: Op;
  /** 1 for the first. */
  readonly attempt: number;
  readonly outcome: Outcome;
  /** From when the call was due here, waiting in line for its component included. */
  readonly durationMs: number;
}

/** One transaction that a node drives. */
export interface UnderWay {
  /** As it was last made durable. */
  readonly saved: Held;
  /** Whether a participant is asked now; else it waits: for a retry, its deadline or its initiator. */
  readonly isCalling: boolean;
}

/**
 * Who watches the engine: metrics, traces, alerts. Each names what it wants to hear. It is told at once and on the hot
 * path: it returns within microseconds and waits for nothing. What it throws is logged and changes nothing.
 *
 * A fact of a transaction is told by the node whose write made it durable, after that, and never by two. One that
 * became durable while its node died, or while the answer to its write was lost, may be told by nobody.
 */
export interface Observer {
  /** A new one is recorded. */
  begun?(tx: Transaction): void;
  /** By its branches, its deadline, its initiator or an operator; `tx` has the decision, its reason and when. */
  decided?(tx: Transaction): void;
  answered?(call: AnsweredCall): void;
  /** Given up by this node; not: parked by an operator. */
  parked?(tx: Transaction): void;
  ended?(tx: Transaction): void;
  /** A write of this node counted no more: somebody else wrote first, or owns the transaction now. */
  saveLost?(tx: Transaction): void;
  /** Another node declared this one dead. */
  leaseLost?(): void;
  /** This node drives what a dead one left behind. */
  tookOver?(transactions: readonly Transaction[]): void;
}

export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
