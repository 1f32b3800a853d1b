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
import type { Membership } from './membership.js';
import type { Observers } from './observers.js';
import { LogOutcomeUnknown } from './ports.js';
import type {
  Clock,
  Component,
  ComponentDirectory,
  Held,
  Logger,
  Participants,
  Steering,
  TimelineEvent,
  TransactionLog,
} from './ports.js';
import { callEvent, collapse, transitions } from './timeline.js';

/** How long a branch waits whose component this node has not heard of yet. */
const UNKNOWN_COMPONENT_MS = 500;
/**
 * Calls that changed nothing are written down after this, and again each time that the time since the begin has
 * doubled: whoever looks sees what a transaction waits for, at the price of a dozen writes a day.
 */
const NOTE_MS = 10_000;
/** How soon a branch is looked at again whose component is paused. */
const PAUSED_MS = 500;
const LOG_RETRY_MS = 100;
const LOG_RETRY_CAP_MS = 2000;

export interface DriveParts {
  readonly log: TransactionLog;
  readonly components: ComponentDirectory;
  readonly participants: Participants;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: string;
  readonly membership: Membership;
  readonly observers: Observers;
  readonly steering: Steering;
}

export class Drive {
  /** What is known, beyond what is durable. */
  private tx: Transaction;
  private readonly answers: Answer[] = [];
  private events: TimelineEvent[] = [];
  private wake: (() => void) | null = null;
  private readonly watchers = new Set<() => void>();
  private isStopped = false;
  private hasEnded = false;
  private isReleasing = false;
  /** Of its branches when it began. */
  readonly components: ReadonlySet<string>;
  /** The operations, `branchId/op`, that wait because of a pause, and of which the timeline says so. */
  private readonly paused = new Set<string>();
  private isPauseTold = true;
  /** The branches with a call under way, and what cuts it. */
  private readonly inFlight = new Map<string, () => void>();
  private readonly startedAt: number;
  private savedAt: number;

  constructor(
    /** The transaction as it was last made durable by this drive or read by it. */
    private held: Held,
    private readonly parts: DriveParts,
  ) {
    this.tx = held.tx;
    this.startedAt = parts.clock.monotonic();
    this.savedAt = this.startedAt;
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

  /** Somebody on this node wrote to the log: go on from there. */
  adopt(held: Held): void {
    if (held.version <= this.held.version) return;
    this.held = held;
    this.tx = held.tx;
    this.nudge();
    this.tell();
  }

  /** Others own the transaction: no further call leaves, answers under way are ignored. */
  stop(): void {
    this.isStopped = true;
    for (const cut of this.inFlight.values()) cut();
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
    await this.learn();
    while (!this.isStopped) {
      const step = advance(this.tx, this.answers.splice(0), this.circumstances());
      this.tx = step.tx;
      if (step.save !== null || this.hasNews()) {
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
        if (this.events.length === 0) break;
        // Nobody else knows of these calls.
        await this.persist(this.tx);
        continue;
      }
      await this.sleep(step.wakeAt);
    }
    this.hasEnded = true;
    this.tell();
  }

  /** What the release says that the transaction goes by. */
  private async learn(): Promise<void> {
    const { steering, logger } = this.parts;
    const { gid, release } = this.tx;
    for (let pauseMs = LOG_RETRY_MS; !this.isStopped && !steering.isKnown(release);) {
      try {
        await steering.learn(release);
      } catch (error) {
        logger.warn({ gid, release, error: String(error) }, 'the release of a transaction is not known; trying again');
        await this.pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, LOG_RETRY_CAP_MS);
      }
    }
  }

  private hasNews(): boolean {
    if (!this.isPauseTold) return true;
    const since = this.parts.clock.monotonic() - this.savedAt;
    return this.events.length > 0 && since >= Math.max(NOTE_MS, this.savedAt - this.startedAt);
  }

  private circumstances() {
    return {
      now: this.parts.clock.now(),
      saved: this.held.tx,
      inFlight: this.inFlight,
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
    if (!component) {
      this.answers.push({ branchId, op, outcome: { kind: 'postponed', retryAfterMs: UNKNOWN_COMPONENT_MS } });
      return;
    }
    const { clock, membership, participants, steering } = this.parts;
    const why = steering.pausedBecause(component.name);
    if (why !== null) return this.wait(branch, op, why);
    this.paused.delete(`${branchId}/${op}`);
    const payload = payloadOf(this.tx, branch);
    const asked = payload === branch.payload ? branch : { ...branch, payload };
    const sentAt = clock.monotonic();
    // A promise and not a signal: cheap to make and to listen to.
    const stopped = new Promise<void>((resolve) => this.inFlight.set(branchId, resolve));
    // A call that waited in line may be one of the past by then: a try whose transaction was aborted does not leave.
    const mayLeave = (): boolean =>
      mayCall(this.tx, branchId, op) &&
      !this.isStopped &&
      membership.isValid() &&
      steering.pausedBecause(component.name) === null;
    participants.call({ tx: this.tx, branch: asked, op, attempt, component, mayLeave, stopped }).then(
      (outcome) => this.answered(branch, op, outcome, attempt, clock.monotonic() - sentAt),
      (defect: unknown) => this.answered(branch, op, failure(defect), attempt, 0),
    );
  }

  /** The component is paused: nothing is called, no attempt is used up, and the timeline says why, once. */
  private wait({ branchId }: Branch, op: Op, why: string): void {
    this.answers.push({ branchId, op, outcome: { kind: 'postponed', retryAfterMs: PAUSED_MS } });
    if (this.paused.has(`${branchId}/${op}`)) return;
    this.paused.add(`${branchId}/${op}`);
    this.isPauseTold = false;
    this.events.push({ at: this.parts.clock.now(), node: this.parts.node, kind: 'paused', branchId, op, detail: why });
  }

  private answered(branch: Branch, op: Op, outcome: Outcome, attempt: number, durationMs: number): void {
    const answer: Answer = { branchId: branch.branchId, op, outcome };
    this.inFlight.delete(answer.branchId);
    this.answers.push(answer);
    // Others ask again, and tell of it.
    if (!this.isStopped) this.parts.observers.answered({ tx: this.tx, branch, op, outcome, attempt, durationMs });
    const event = callEvent(answer, attempt, durationMs, this.parts.clock.now(), this.parts.node);
    if (event) collapse(this.events, event);
    this.nudge();
  }

  /** Writes until it is known what the log holds: what we wrote, or what somebody else did. */
  private async persist(tx: Transaction): Promise<void> {
    const { clock, log, node } = this.parts;
    let pauseMs = LOG_RETRY_MS;
    // What was adopted between two tries makes this write one of the past.
    for (; !this.isStopped && this.tx === tx; pauseMs = Math.min(pauseMs * 2, LOG_RETRY_CAP_MS)) {
      const from = this.held;
      const events = this.events;
      this.events = [];
      try {
        const result = await log.save(from, tx, [...events, ...transitions(from.tx, tx, clock.now(), node)]);
        if (result === 'lost') {
          this.events.unshift(...events);
          this.parts.observers.saveLost(tx);
          await this.reread();
        } else {
          if (result.version > this.held.version) this.held = result;
          this.savedAt = clock.monotonic();
          this.isPauseTold = true;
          this.parts.observers.saved(from.tx, tx);
          this.tell();
        }
        return;
      } catch (error) {
        this.parts.logger.warn({ gid: tx.gid, error: String(error) }, 'a write failed; trying again');
        this.events.unshift(...events);
        await this.pause(pauseMs);
        if (error instanceof LogOutcomeUnknown && (await this.reread())) {
          if (isOwnWrite(from, tx, this.held)) this.events.splice(0, events.length);
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

  private sleep(wakeAt: number | null): Promise<void> {
    return this.pause(wakeAt === null ? null : Math.max(0, wakeAt - this.parts.clock.now()));
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

/** Whether what was found is what was to be written on `from`, which then landed with its events. */
function isOwnWrite(from: Held, tx: Transaction, found: Held): boolean {
  const told = ({ status, parked, branches }: Transaction): string =>
    JSON.stringify([status, parked, branches.map(({ state, attempts, gaveUp }) => [state, attempts, gaveUp])]);
  return found.epoch === from.epoch && found.version === from.version + 1 && told(found.tx) === told(tx);
}

function failure(defect: unknown): Outcome {
  return { kind: 'unknown', detail: `defect in the caller: ${String(defect)}` };
}
