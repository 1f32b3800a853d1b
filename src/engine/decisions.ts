/** Decisions from outside: an initiator submits or aborts, or a person on call does. */
import { decidedBy, endedIfThrough } from '../domain/machine.js';
import { isEnded } from '../domain/transaction.js';
import type { Transaction } from '../domain/transaction.js';
import { TercetError } from '../protocol/errors.js';
import type { Decision, Reason } from '../protocol/words.js';
import type { Driver } from './driver.js';
import type { Observers } from './observers.js';
import { unknownTransaction } from './operator.js';
import type { Clock, Held, Member, TimelineEvent, TransactionLog } from './ports.js';
import { decidedEvent, endedEvents, operatorEvent } from './timeline.js';
import type { Order } from './timeline.js';

export interface DecisionParts {
  readonly log: TransactionLog;
  readonly clock: Clock;
  readonly node: string;
}

/** What is asked for. */
export interface Wanted {
  readonly decision: Decision;
  readonly reason: Reason | null;
  /** Null: whoever began it; else the person on call, and why. */
  readonly by: Order | null;
}

export class Decisions {
  constructor(
    private readonly parts: DecisionParts,
    private readonly driver: Driver,
    private readonly observers: Observers,
    /** Performs a write that makes this node an owner. */
    private readonly owning: <T>(write: (member: Member) => Promise<T>) => Promise<T>,
  ) {}

  /**
   * Decides while it is open; the same decision again changes nothing.
   *
   * @throws TercetError when it is unknown, decided otherwise, or not to be decided so
   */
  async make(gid: string, wanted: Wanted): Promise<Held> {
    await this.driver.caughtUp(gid);
    // What this node drives it knows as it was last written. Whoever wrote since makes the write below come to nothing.
    let held = this.driver.get(gid)?.saved ?? (await this.parts.log.get(gid));
    if (!held) throw unknownTransaction(gid);
    if (held.tx.status === 'open') {
      demandAllowed(held.tx, wanted);
      held = await this.write(held, wanted);
    }
    const { status, decision } = held.tx;
    if (decision === wanted.decision) return held;
    throw new TercetError(
      'TERCET_TRANSACTION_DECIDED',
      `'${gid}' is ${status}, decided for ${decision ?? 'nothing'}; a decision is for ever`,
    );
  }

  private async write(seen: Held, { decision, reason, by }: Wanted): Promise<Held> {
    const { log, clock, node } = this.parts;
    const { tx } = seen;
    const at = clock.now();
    const events = [decidedEvent({ decision, reason }, at, node)];
    if (by) events.unshift(operatorEvent(decision, by, at, node));
    const ended = await this.end(seen, endedIfThrough(decidedBy(tx, decision, reason, at), at), events);
    if (ended) return ended;
    const answer = await this.owning((member) => log.decide(member, tx, decision, reason, at, events));
    if (!answer) throw unknownTransaction(tx.gid);
    if (answer.decided) {
      this.observers.decided(answer.held.tx);
      this.driver.drive(answer.held);
    }
    return answer.held;
  }

  /** A decision that ends the transaction is one write, and nobody has to own it. Null: there is more to do, or others wrote first. */
  private async end(seen: Held, next: Transaction, events: readonly TimelineEvent[]): Promise<Held | null> {
    if (!isEnded(next)) return null;
    const { log, node } = this.parts;
    const written = await log.save(seen, next, [...events, ...endedEvents(next, node)]);
    if (written === 'lost') return null;
    this.observers.saved(seen.tx, next);
    return written;
  }
}

function demandAllowed({ gid, drive, mode }: Transaction, { decision, by }: Wanted): void {
  if (decision === 'abort') return;
  if (drive === 'coordinator') {
    throw new TercetError(
      'TERCET_TRANSACTION_STATE',
      `'${gid}' is driven by the coordinator, which decides by what its branches answer; it takes no submit`,
    );
  }
  if (by && mode !== 'message') {
    throw new TercetError('TERCET_TRANSACTION_STATE', `'${gid}' is no message: only its initiator commits it`);
  }
}
