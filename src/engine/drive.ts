/**
 * The only loop that calls participants. One Drive takes one transaction from where the log has it to its end:
 * ask the machine for a step, make durable what the step says, then perform its calls, and come back with the
 * answers. A fresh begin, recovery after a crash and an operator's resume all enter here.
 */
import { advance, mayCall } from '../domain/machine.js';
import { payloadOf } from '../domain/reference.js';
import { isEnded } from '../domain/transaction.js';
import type { Answer, Branch, Call, Outcome, Transaction } from '../domain/transaction.js';
import { DEFAULT_RETRY } from '../protocol/words.js';
import type { Op, RetryPolicy } from '../protocol/words.js';
import { CallUnderWay } from './call-under-way.js';
import type { DriveParts } from './drive-parts.js';
import { News } from './news.js';
import { isOwnWrite } from './own-write.js';
import { LogOutcomeUnknown } from './ports.js';
import type { Component, Held } from './ports.js';
import { callEvent, transitions } from './timeline.js';

/** For how long the branches of a saga are called ahead of the log, from its begin: one that is slow shows how far it is. */
const AHEAD_MS = 1000;
/** How long a branch waits whose component this node has not heard of yet. */
const UNKNOWN_COMPONENT_MS = 500;
/** How soon a branch is looked at again whose component is paused. */
const PAUSED_MS = 1000;
const LOG_RETRY_MS = 100;
const LOG_RETRY_CAP_MS = 2000;

export class Drive {
  /** What is known, beyond what is durable. */
  private tx: Transaction;
  private readonly answers: Answer[] = [];
  private readonly news: News;
  private wake: (() => void) | null = null;
  private readonly watchers = new Set<() => void>();
  private isStopped = false;
  private hasEnded = false;
  private isReleasing = false;
  /** Until when it may be ahead of the log, monotonic ms; null: it is not known what others called before. */
  private aheadUntil: number | null;
  /** Of its branches when it began. */
  readonly components: ReadonlySet<string>;
  /** By branch. */
  private readonly inFlight = new Map<string, CallUnderWay>();

  constructor(
    /** The transaction as it was last made durable by this drive or read by it. */
    private held: Held,
    private readonly parts: DriveParts,
    /** Whether it was begun here this moment: nothing of it was ever called. */
    isNew = false,
  ) {
    this.tx = held.tx;
    this.aheadUntil = isNew ? parts.clock.monotonic() + AHEAD_MS : null;
    this.news = new News(parts.clock, parts.node);
    this.components = new Set(held.tx.branches.flatMap(({ component }) => (component === '' ? [] : [component])));
  }

  get saved(): Held {
    return this.held;
  }

  /** Whether it will do nothing more. */
  get isOver(): boolean {
    return this.hasEnded;
  }

  get isCalling(): boolean {
    return this.inFlight.size > 0;
  }

  /** Calls back at each durable change, and when the drive ends, until the returned function is called. */
  readonly watch = (changed: () => void): (() => void) => {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  };

  /** Writes down what was called, if it may be ahead of the log. False: there is nothing to be waited for. */
  catchUp(): boolean {
    if (this.aheadUntil === null || !this.held.tx.branches.some(({ ahead }) => ahead)) return false;
    this.aheadUntil = this.parts.clock.monotonic();
    this.nudge();
    return true;
  }

  /** Somebody on this node wrote to the log: go on from there. */
  adopt(held: Held): void {
    if (held.version <= this.held.version) return;
    this.aheadUntil = null;
    this.held = held;
    this.tx = held.tx;
    this.nudge();
    this.tell();
  }

  /** Others own the transaction: no further call leaves, answers under way are ignored. */
  stop(): void {
    this.isStopped = true;
    for (const call of this.inFlight.values()) call.stop();
    this.nudge();
    this.tell();
  }

  /** The node drains: finish what is under way, but do not wait for anything that comes later. */
  release(): void {
    this.isReleasing = true;
    this.nudge();
  }

  /** Resolves when there is nothing left to do here: ended, parked, released or stopped. */
  async run(): Promise<void> {
    while (!this.isStopped) {
      if (!this.parts.steering.isKnown(this.tx.release)) await this.learn();
      const step = advance(this.tx, this.answers.splice(0), this.circumstances());
      this.tx = step.tx;
      // Whoever reads what is written below must not take what was never called for what may have been.
      if (step.save === null && this.news.isDue && this.catchUp()) continue;
      if (step.save !== null || this.news.isDue) {
        await this.persist(step.tx);
        // Whatever came in meanwhile was said of an older state: look again before anything is called.
        if (this.tx !== step.tx || this.isStopped) continue;
      }
      if (isEnded(this.tx)) break;
      if (step.calls.length > 0 && !this.parts.membership.isValid()) {
        await this.parts.membership.changed();
        continue;
      }
      for (const call of step.calls) this.call(call);
      if (this.answers.length > 0) continue;
      if (this.inFlight.size === 0 && (step.wakeAt === null || this.isReleasing)) {
        if (this.news.isEmpty) break;
        if (this.catchUp()) continue;
        // Nobody else knows of these calls.
        await this.persist(this.tx);
        continue;
      }
      await this.pause(step.wakeAt === null ? null : Math.max(0, step.wakeAt - this.parts.clock.now()));
    }
    this.hasEnded = true;
    this.tell();
  }

  /** What the release says that the transaction goes by. */
  private async learn(): Promise<void> {
    const { steering, logger } = this.parts;
    const { gid, release } = this.tx;
    const isReady = (): boolean => this.isStopped || steering.isKnown(release);
    for (let pauseMs = LOG_RETRY_MS; !isReady(); pauseMs = Math.min(pauseMs * 2, LOG_RETRY_CAP_MS)) {
      try {
        await steering.learn(release);
      } catch (error) {
        logger.warn({ gid, release, error: String(error) }, 'the release of a transaction is not known; trying again');
        await this.pause(pauseMs);
      }
    }
  }

  private circumstances() {
    const { clock } = this.parts;
    return {
      now: clock.now(),
      saved: this.held.tx,
      inFlight: this.inFlight,
      aheadUntil: this.aheadUntil === null ? null : clock.now() + this.aheadUntil - clock.monotonic(),
      policyOf: (component: string): RetryPolicy => this.component(component)?.retry ?? DEFAULT_RETRY,
    };
  }

  private component(name: string): Component | undefined {
    const registered = this.parts.components.get(name);
    return registered && this.parts.steering.component(registered, this.tx.release);
  }

  private call({ branchId, op, attempt }: Call): void {
    const branch = this.tx.branches.find((candidate) => candidate.branchId === branchId);
    if (!branch) return;
    const component = this.component(branch.component);
    if (!component) return this.postpone(branchId, op, UNKNOWN_COMPONENT_MS);
    const { participants, steering } = this.parts;
    const why = steering.pausedBecause(component.name);
    if (why !== null) {
      this.postpone(branchId, op, PAUSED_MS);
      return this.news.pause(branchId, op, why);
    }
    this.news.goOn(branchId, op);
    const payload = payloadOf(this.tx, branch);
    const asked = payload === branch.payload ? branch : { ...branch, payload };
    const call = new CallUnderWay(this.tx, asked, op, attempt, component, this.parts, this);
    this.inFlight.set(branchId, call);
    participants.call(call).then(
      (outcome) => this.answered(call, branch, outcome),
      (defect: unknown) =>
        this.answered(call, branch, { kind: 'unknown', detail: `defect in the caller: ${String(defect)}` }),
    );
  }

  /** A call that waited in line may be one of the past by then: a try whose transaction was aborted does not leave. */
  isStillDue(branchId: string, op: Op): boolean {
    return mayCall(this.tx, branchId, op) && !this.isStopped;
  }

  /** It is not called now, and no attempt is used up. */
  postpone(branchId: string, op: Op, retryAfterMs: number): void {
    this.answers.push({ branchId, op, outcome: { kind: 'postponed', retryAfterMs } });
    this.nudge();
  }

  private answered({ op, attempt, madeAt }: CallUnderWay, branch: Branch, outcome: Outcome): void {
    const { clock, node, observers } = this.parts;
    const durationMs = clock.monotonic() - madeAt;
    const answer: Answer = { branchId: branch.branchId, op, outcome };
    this.inFlight.delete(answer.branchId);
    this.answers.push(answer);
    // Others ask again, and tell of it.
    if (!this.isStopped) observers.answered({ tx: this.tx, branch, op, outcome, attempt, durationMs });
    const event = callEvent(answer, attempt, durationMs, clock.now(), node);
    if (event) this.news.add(event);
    this.nudge();
  }

  /** Writes until it is known what the log holds: what we wrote, or what somebody else did. */
  private async persist(tx: Transaction): Promise<void> {
    const { clock, log, node } = this.parts;
    let pauseMs = LOG_RETRY_MS;
    // What was adopted between two tries makes this write one of the past.
    for (; !this.isStopped && this.tx === tx; pauseMs = Math.min(pauseMs * 2, LOG_RETRY_CAP_MS)) {
      const from = this.held;
      const events = this.news.take();
      try {
        const canWait = isEnded(tx) && from.tx.decision !== null && this.watchers.size === 0;
        const result = await log.save(from, tx, [...events, ...transitions(from.tx, tx, clock.now(), node)], canWait);
        if (result === 'lost') {
          this.news.putBack(events);
          this.parts.observers.saveLost(tx);
          await this.reread();
        } else {
          if (result.version > this.held.version) this.held = result;
          this.news.written();
          this.parts.observers.saved(from.tx, tx);
          this.tell();
        }
        return;
      } catch (error) {
        this.parts.logger.warn({ gid: tx.gid, error: String(error) }, 'a write failed; trying again');
        this.news.putBack(events);
        await this.pause(pauseMs);
        if (error instanceof LogOutcomeUnknown && (await this.reread())) {
          if (isOwnWrite(from, tx, this.held)) this.news.drop(events.length);
          // Whatever somebody outside wrote has another epoch, and was told by who wrote it.
          if (this.held.epoch === from.epoch) this.parts.observers.saved(from.tx, this.held.tx);
          return;
        }
      }
    }
  }

  /** Looks what the log holds. True: something else than this drive thought; it was adopted, or the drive stopped. */
  private async reread(): Promise<boolean> {
    for (let pauseMs = LOG_RETRY_MS; !this.isStopped; pauseMs = Math.min(pauseMs * 2, LOG_RETRY_CAP_MS)) {
      try {
        const fresh = await this.parts.log.get(this.tx.gid);
        if (!fresh || !this.parts.membership.owns(fresh.owner)) {
          this.stop();
          return true;
        }
        const isNews = fresh.version > this.held.version;
        this.adopt(fresh);
        return isNews;
      } catch (error) {
        this.parts.logger.warn({ gid: this.tx.gid, error: String(error) }, 'a read failed; trying again');
        await this.pause(pauseMs);
      }
    }
    return true;
  }

  /** Until `nudge`, or for `ms`. */
  private pause(ms: number | null): Promise<void> {
    return new Promise((resolve) => {
      const cancel = ms === null ? null : this.parts.clock.after(ms, () => this.nudge());
      this.wake = () => {
        cancel?.();
        resolve();
      };
    });
  }

  private nudge(): void {
    const wake = this.wake;
    this.wake = null;
    wake?.();
  }

  private tell(): void {
    for (const changed of this.watchers) changed();
  }
}
