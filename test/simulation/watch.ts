/** Looks at every write and every call of a schedule, and says which guarantee was broken. */
import { isEnded, isHeld, LEGAL_MOVES } from '../../src/domain/transaction.js';
import type { Outcome, Parked, Transaction } from '../../src/domain/transaction.js';
import type { CallRequest, Held, Member, TimelineEvent } from '../../src/engine/ports.js';
import type { Decision } from '../../src/protocol/words.js';
import { MemoryLog } from '../../src/engine/memory-log.js';
import type { Row } from '../../src/engine/memory-log.js';
import type { Services } from './services.js';
import type { MessageWatch } from './message-watch.js';
import type { SagaWatch } from './saga-watch.js';
import type { World } from './world.js';

/** The memory log, watched: its rules are checked from outside, so that a defect in the log is seen too. */
export class WatchedLog extends MemoryLog {
  readonly violations: string[] = [];
  /** The epochs in which parking was written. */
  readonly parkedIn = new WeakMap<Parked, number>();

  constructor(
    private readonly world: World,
    private readonly sagas: SagaWatch,
    private readonly messages: MessageWatch,
  ) {
    super({ now: () => world.now });
  }

  override async insert(
    member: Member,
    tx: Transaction,
    contentHash: string,
    ...more: [events?: readonly TimelineEvent[], epoch?: number]
  ) {
    const result = await super.insert(member, tx, contentHash, ...more);
    if (result.inserted) this.sagas.written(null, tx);
    return result;
  }

  override async save(held: Held, tx: Transaction, events: readonly TimelineEvent[]) {
    const now = this.rows.get(tx.gid)?.held;
    const mayCount = now?.owner === held.owner && now.epoch === held.epoch && now.version === held.version;
    const result = await super.save(held, tx, events);
    if (result !== 'lost' && !mayCount) this.violations.push(`G6: a stale owner's write to ${tx.gid} counted`);
    return result;
  }

  protected override write(row: Row, held: Held, events: readonly TimelineEvent[]): Held {
    const [before, after] = [row.held.tx, held.tx];
    this.world.note(`log: ${after.gid} ${after.status} v${held.version} epoch ${held.epoch} of ${held.owner}`);
    if (before.decision !== null && before.decision !== after.decision) {
      this.violations.push(`G4: ${after.gid} was decided for ${before.decision} and is now ${after.decision}`);
    }
    const isLegal = before.status === after.status || this.isReachable(before.status, after.status);
    if (!isLegal) this.violations.push(`G4: ${after.gid} went from ${before.status} to ${after.status}`);
    const kept = new Set(after.branches.map((branch) => branch.branchId));
    for (const { branchId } of before.branches) {
      if (!kept.has(branchId)) this.violations.push(`G3: branch ${branchId} of ${after.gid} was forgotten`);
    }
    for (const [index, { branchId, state }] of after.branches.entries()) {
      const was = before.branches[index];
      if (state !== 'forced' || was?.state === 'forced') continue;
      if (was?.gaveUp === null && !isHeld(before)) {
        this.violations.push(`G1: ${branchId} of ${after.gid} was forced, and nobody had parked it`);
      }
      if (!events.some((event) => event.kind === 'operator' && event.branchId === branchId)) {
        this.violations.push(`G1: ${branchId} of ${after.gid} was forced, and the timeline does not say by whom`);
      }
    }
    if (after.parked && after.parked !== before.parked) this.parkedIn.set(after.parked, held.epoch);
    this.sagas.written(before, after);
    this.messages.written(before, after);
    return super.write(row, held, events);
  }

  private isReachable(from: Transaction['status'], to: Transaction['status']): boolean {
    return LEGAL_MOVES[from].some((next) => next === to || LEGAL_MOVES[next].includes(to));
  }
}

export class Watch {
  readonly violations: string[] = [];
  private readonly told = new Map<string, Decision>();
  private readonly underWay = new Set<string>();
  /** What somebody parked and was told so. */
  private readonly byHand = new WeakSet<Parked>();

  constructor(
    private readonly log: WatchedLog,
    private readonly services: Services,
    private readonly sagas: SagaWatch,
    private readonly messages: MessageWatch,
  ) {}

  /** A call leaves a process, which writes as `member`. Gives a function to say that it is back. */
  callLeaves(request: CallRequest, process: string, member: Member | null): (outcome: Outcome) => void {
    const { tx, branch, op } = request;
    const key = `${tx.gid}/${branch.branchId}`;
    const held = this.log.rows.get(tx.gid)?.held;
    const recorded = held?.tx;
    const parked = recorded?.parked;
    // Whoever came to own it since need not know yet.
    const isKnown = held && held.owner === member?.id && parked && this.log.parkedIn.get(parked) === held.epoch;
    if (isKnown && this.byHand.has(parked)) {
      this.violations.push(`M6: ${op} of ${key} left ${process} after somebody had parked it`);
    }
    if (!recorded?.branches.some((candidate) => candidate.branchId === branch.branchId)) {
      this.violations.push(`G3: ${op} of ${key} left before the branch was recorded`);
    }
    if ((op === 'confirm' || op === 'deliver') && recorded?.decision !== 'commit') {
      this.violations.push(`G2: ${op} of ${key} left while the log says ${recorded?.decision}`);
    }
    if ((op === 'cancel' || op === 'compensate') && recorded?.decision !== 'abort') {
      this.violations.push(`G2: ${op} of ${key} left while the log says ${recorded?.decision}`);
    }
    if (!member || this.log.members.get(member.id)?.dead !== false) {
      this.violations.push(`G6: ${op} of ${key} left ${process} after its lease had ended`);
    }
    const call = `${process} ${key}`;
    if (this.underWay.has(call)) this.violations.push(`G6: ${key} was called while a call to it was under way`);
    this.underWay.add(call);
    const isBack = recorded && this.sagas.callLeaves(request, process, recorded);
    const isAnswered = recorded && this.messages.callLeaves(request, process, recorded);
    return (outcome) => {
      this.underWay.delete(call);
      isBack?.(outcome.kind === 'done');
      isAnswered?.(outcome);
    };
  }

  /** Somebody parked it, and was answered. */
  parkedByHand(parked: Parked): void {
    this.byHand.add(parked);
  }

  /** The initiator, or anybody, was told how a transaction stands. */
  answered(tx: Transaction): void {
    const recorded = this.log.rows.get(tx.gid)?.held.tx;
    if (!recorded) {
      this.violations.push(`G5: ${tx.gid} was answered and is not in the log`);
      return;
    }
    if (tx.decision === null) return;
    const before = this.told.get(tx.gid);
    if (before !== undefined && before !== tx.decision) this.violations.push(`G4: two answers on ${tx.gid}`);
    this.told.set(tx.gid, tx.decision);
    if (recorded.decision !== tx.decision) {
      this.violations.push(`G2: told ${tx.decision} of ${tx.gid} while the log says ${recorded.decision}`);
    }
    if (isEnded(tx) && !isEnded(recorded)) this.violations.push(`G2: told the end of ${tx.gid} before it was durable`);
  }

  /** After everything has come to rest. */
  conclude(): string[] {
    for (const { held } of this.log.rows.values()) this.concludeOne(held.tx);
    const { violations, log, sagas, messages, services } = this;
    return [log, sagas, messages, services].reduce((all, watched) => [...all, ...watched.violations], violations);
  }

  private concludeOne(tx: Transaction): void {
    if (!isEnded(tx)) {
      this.violations.push(`G7: ${tx.gid} is still ${tx.status}, ${tx.parked ? 'parked' : 'and not parked'}`);
      return;
    }
    if (tx.mode === 'message') {
      this.messages.conclude(tx, (branchId) => this.services.parts.get(`${tx.gid}/${branchId}`));
    }
    const expected = tx.status === 'committed' ? 'confirmed' : 'cancelled';
    for (const branch of tx.branches) {
      const { branchId, state } = branch;
      if (state === 'forced') continue;
      const part = this.services.parts.get(`${tx.gid}/${branchId}`);
      if (tx.mode === 'saga') this.sagas.conclude(tx, branch, part);
      else if (tx.mode === 'tcc' && (part?.fence !== expected || state !== expected)) {
        this.violations.push(`G1: ${tx.gid} is ${tx.status}, but ${branchId} is ${part?.fence} (recorded: ${state})`);
      }
      for (const [op, count] of Object.entries(part?.effects ?? {})) {
        if (count > 1) this.violations.push(`G8: ${op} of ${tx.gid}/${branchId} took effect ${count} times`);
      }
    }
  }
}
