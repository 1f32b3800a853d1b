/**
 * What must hold of a message (G9), seen from outside: from what was asked, what became of its local transaction, what
 * the log was told and what left for services and for the outbox.
 */
import { newlyQueued } from '../../src/domain/message.js';
import { isHeld } from '../../src/domain/transaction.js';
import type { Outcome, Transaction } from '../../src/domain/transaction.js';
import type { CallRequest } from '../../src/engine/ports.js';
import { CHECK_BRANCH } from '../../src/protocol/words.js';
import { CHECK } from './message.js';
import type { AskedMessage } from './message.js';
import type { Producers } from './producers.js';
import type { Part } from './services.js';
import type { World } from './world.js';

interface Watched extends AskedMessage {
  /** Deliveries that stand in the outbox. */
  readonly queued: Set<string>;
  /** Checks that reached the producer and came back, or did not. */
  checks: number;
  /** Whether somebody has had it asked before its time. */
  isHurried: boolean;
}

export class MessageWatch {
  readonly violations: string[] = [];
  private readonly messages = new Map<string, Watched>();

  constructor(
    private readonly world: World,
    private readonly producers: Producers,
  ) {}

  begins(gid: string, message: AskedMessage): void {
    this.messages.set(gid, { ...message, queued: new Set(), checks: 0, isHurried: false });
  }

  /** Somebody on call had it called now. */
  hurried(gid: string): void {
    const message = this.messages.get(gid);
    if (message) message.isHurried = true;
  }

  /** The log holds `after` now. @param before null: it is new */
  written(before: Transaction | null, after: Transaction): void {
    const message = this.messages.get(after.gid);
    if (!message || before === null) return;
    const { gid, decision, status } = after;
    if (decision === 'commit' && this.producers.localOf(gid) !== 'committed') {
      this.broken(`${gid} is ${status}, and its local transaction ${this.producers.localOf(gid)}`);
    }
    for (const { branchId, topic } of newlyQueued(before, after)) {
      if (decision !== 'commit') this.broken(`${branchId} of ${gid} is on its way, and it is ${status}`);
      if (isHeld(before)) this.broken(`${branchId} of ${gid} is on its way though somebody had parked it`);
      if (!topic) this.broken(`${branchId} of ${gid} is on its way to Kafka, and goes to a component`);
      if (message.queued.has(branchId)) this.broken(`${branchId} of ${gid} is in the outbox twice`);
      message.queued.add(branchId);
      this.demandDue(message, `${branchId} of ${gid} is on its way`);
    }
    this.demandAtOnce(message, before, after);
    const check = after.branches[0];
    const counted = decision === null ? (check?.attempts ?? 0) : (check?.tries ?? 0);
    if (counted > message.checks) this.broken(`${counted} checks of ${gid} count, of ${message.checks} that were made`);
  }

  /**
   * What a decision lets out for Kafka stands in the outbox by the very write of the decision: so no crash comes in
   * between, and rows of one key stand in the order of the decisions.
   */
  private demandAtOnce(message: Watched, before: Transaction, after: Transaction): void {
    if (before.decision !== null || after.decision !== 'commit' || isHeld(after)) return;
    if ((after.decidedAt ?? 0) < (message.deliverAt ?? 0)) return;
    const isMissing = ({ branchId, topic }: AskedMessage['asked'][number]) => topic && !message.queued.has(branchId);
    if (message.asked.some(isMissing)) this.broken(`${after.gid} was decided, and the outbox does not have all of it`);
  }

  private demandDue({ deliverAt }: Watched, what: string): void {
    if (this.world.now < (deliverAt ?? 0)) this.broken(`${what} before it may be delivered`);
  }

  /** A call leaves a process. Gives a function to say what it came to. @param recorded as the log has it now */
  callLeaves(
    { branch, op }: CallRequest,
    process: string,
    recorded: Transaction,
  ): ((outcome: Outcome) => void) | undefined {
    const message = this.messages.get(recorded.gid);
    if (!message) return undefined;
    const what = `${op} of ${recorded.gid}/${branch.branchId} left ${process}`;
    const asked = message.asked.find(({ branchId }) => branchId === branch.branchId);
    if (!asked || asked.topic || (op === 'check') !== (branch.branchId === CHECK_BRANCH))
      this.broken(`${what}: no call`);
    if (asked?.component !== branch.component) this.broken(`${what} for ${branch.component}, not ${asked?.component}`);
    if (op === 'deliver') {
      this.demandDue(message, what);
      return undefined;
    }
    const { afterMs } = { ...CHECK, ...message.check };
    if (!message.isHurried && this.world.now < recorded.beganAt + afterMs) this.broken(`${what} before ${afterMs} ms`);
    return (outcome) => {
      if (outcome.kind !== 'unknown' || outcome.hasLeft !== false) message.checks += 1;
    };
  }

  /** One message that has ended. @param partOf what became of a delivery at its component */
  conclude({ gid, status, branches }: Transaction, partOf: (branchId: string) => Part | undefined): void {
    const message = this.messages.get(gid);
    if (!message) return;
    const local = this.producers.localOf(gid);
    if (status === 'aborted' && local === 'committed' && !this.producers.misled.has(gid)) {
      this.broken(`the local transaction of ${gid} committed, and it was aborted`);
    }
    for (const { branchId, topic } of message.asked) {
      if (branchId === CHECK_BRANCH) continue;
      const state = branches.find((branch) => branch.branchId === branchId)?.state;
      if (state === 'forced') continue;
      const isOut = topic ? message.queued.has(branchId) : partOf(branchId)?.fence === 'delivered';
      const expected = status === 'aborted' ? 'waiting' : topic ? 'queued' : 'delivered';
      if (isOut !== (status === 'committed') || state !== expected) {
        this.broken(`${gid} is ${status}, but ${branchId} is ${isOut ? '' : 'not '}out (recorded: ${state})`);
      }
    }
  }

  private broken(text: string): void {
    this.violations.push(`G9: ${text}`);
  }
}
