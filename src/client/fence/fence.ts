/**
 * The guard in the service's own database that makes each operation take effect once (G8). It runs inside the
 * transaction of the work it guards, so that both commit or neither does; docs/fence.md has the same in plain SQL.
 */
import { CHECK_BRANCH } from '../../protocol/words.js';
import type { Json, ParticipantCall } from '../../protocol/words.js';
import { Refused, TercetError } from '../errors.js';
import { bound, enter, look, nameOf, recordState } from './entry.js';
import type { Row } from './entry.js';
import { rowsOf } from '../../platform/executor.js';
import type { Executor } from '../../platform/executor.js';
import { replyOf, replyText } from './reply.js';
import { PROBE, PURGE } from './statements.js';
import type { Verdict } from './verdict.js';

/** What the fence must know of a call; ParticipantCall has it all. */
export interface FencedCall extends Pick<ParticipantCall, 'gid' | 'branchId' | 'op' | 'beganAt'> {
  /** How long the caller still listens, in ms (the header tercet-timeout-ms); default 3000. */
  timeoutMs?: number;
}

/** Which piece of pending work ends. */
export type PendingCall = Pick<FencedCall, 'gid' | 'branchId' | 'op'>;

/** Returned by work that goes on after its call: what it did so far commits, and `fence.complete` ends it. */
export class Pending {
  constructor(
    /** When it makes sense to ask again, in ms; default: the coordinator's retry policy. */
    readonly retryAfterMs: number | null = null,
  ) {}
}

/** A message transaction, as its begin was answered. */
export type MessageBegan = Pick<FencedCall, 'gid' | 'beganAt' | 'timeoutMs'>;

/** What the check of a message is answered: 2xx, or 409 with the reason. */
export type CheckAnswer = { kind: 'committed' } | { kind: 'rolled back'; reason: string };

/** What to answer: 2xx with the reply, or 425. */
export type FenceAnswer = { kind: 'done'; reply: Json } | { kind: 'pending'; retryAfterMs: number | null };

const PURGE_LIMIT = 10_000;

export const fence = {
  /**
   * Runs `work` if this call is to take effect now, and gives the answer, which a repeated call gets again.
   * Whatever it throws, roll the transaction back.
   *
   * @param work gets what the try or action answered, null where it answered nothing or this is one: of a cancel or
   * compensation the fence knows it even where the answer was lost on its way to the coordinator
   * @param executor the open transaction, READ COMMITTED or above (there a collision fails with SQLSTATE 40001:
   * roll back and answer 500, the call will be repeated)
   * @throws Refused: answer 409 with its reason; TercetError: answer its status (425 for TERCET_FENCE_BUSY); what
   * `work` threw: answer 500
   */
  async run(executor: Executor, call: FencedCall, work: (kept: Json) => unknown): Promise<FenceAnswer> {
    if (call.op === 'check') {
      throw TercetError.of('TERCET_FENCE_MISUSED', `${nameOf(call)}: fence.check answers it, without any work`);
    }
    const verdict = await enter(executor, call);
    switch (verdict.kind) {
      case 'run':
        return leave(executor, call, await work(replyOf(verdict.kept)));
      case 'answer':
        return { kind: 'done', reply: replyOf(verdict.reply) };
      case 'pending':
        return { kind: 'pending', retryAfterMs: null };
      case 'refused':
        throw new Refused(verdict.reason);
      default:
        throw troubleOf(verdict, call);
    }
  },

  /**
   * The first statements of a message's local transaction: from here on the message is committed if this transaction
   * is, and rolled back if it is not. `Messages` does it for you; use it where the transaction is not yours to open.
   *
   * @param executor the open transaction that the message tells of, as in `run`
   * @returns false: the local transaction of this message has committed before, so that its work must not run again
   * @throws TercetError TERCET_MESSAGE_ROLLED_BACK: a check came first, nothing may be done for the message any more;
   * TERCET_FENCE_BUSY. Roll back
   */
  async local(executor: Executor, message: MessageBegan): Promise<boolean> {
    const row = { ...message, branchId: CHECK_BRANCH, op: 'local' } as const;
    const verdict = await enter(executor, row);
    switch (verdict.kind) {
      case 'run':
        return true;
      case 'answer':
        return false;
      case 'refused': {
        const detail = `message '${message.gid}': ${verdict.reason}; nothing was done, send it again under another gid`;
        throw TercetError.of('TERCET_MESSAGE_ROLLED_BACK', detail);
      }
      default:
        throw troubleOf(verdict, row);
    }
  },

  /**
   * Answers the check of a message, by itself: waits for a local transaction that is open, and where none has committed,
   * sees to it that none ever will. **Commit its transaction, whatever the answer**: the answer rests on what it inserted.
   *
   * @param executor a transaction of its own, READ COMMITTED
   * @throws TercetError: answer its status (425 for TERCET_FENCE_BUSY, while the local transaction is open; 500 for
   * TERCET_FENCE_PURGED), and roll back
   */
  async check(executor: Executor, message: MessageBegan): Promise<CheckAnswer> {
    const row = { ...message, branchId: CHECK_BRANCH, op: 'check' } as const;
    const verdict = await enter(executor, row);
    switch (verdict.kind) {
      case 'answer':
        return { kind: 'committed' };
      case 'refused':
        return { kind: 'rolled back', reason: verdict.reason };
      default:
        throw troubleOf(verdict, row);
    }
  },

  /**
   * Ends pending work with the reply that the call now gets. Runs in the transaction of the work's last effects.
   *
   * @throws TercetError TERCET_FENCE_CANCELLED or TERCET_FENCE_NOT_PENDING: roll back, the effects must not stay
   */
  async complete(executor: Executor, call: PendingCall, reply?: unknown): Promise<void> {
    await endPending(executor, call, 'done', replyText(reply));
  },

  /**
   * Ends a pending try or action with a refusal, which every later call of it gets too. The same transaction undoes what
   * it did: no cancel and no compensation will.
   */
  async refuse(executor: Executor, call: PendingCall, reason: string): Promise<void> {
    if (call.op !== 'try' && call.op !== 'action') {
      throw TercetError.of('TERCET_FENCE_MISUSED', `${nameOf(call)}: only a try or an action may refuse`);
    }
    await endPending(executor, call, 'refused', replyText(reason));
  },

  /**
   * Forgets branches whose transactions began before `olderThan`. From then on a call for such a transaction is
   * never taken for new, so choose a time longer ago than any transaction lasts, parked ones too: 60 days, say.
   *
   * @param limit rows to remove at most, default 10000; call again while so many were removed
   * @returns how many rows were removed
   */
  async purge(executor: Executor, olderThan: Date, { limit = PURGE_LIMIT } = {}): Promise<number> {
    if (!(olderThan.getTime() <= Date.now())) {
      throw new RangeError('olderThan must be in the past: later transactions would all be refused');
    }
    const [row] = await rowsOf<{ removed: number }>(executor, PURGE, [olderThan.toISOString(), limit]);
    return row?.removed ?? 0;
  },
};

const PURGED =
  'it began before the horizon of the fence and has no row, so what happened is not known; a person must look';
const TRY_MISSING = 'nothing was tried here that could be confirmed, so nothing is; a person must look';
const ENDED = 'it was already ended by the opposite operation, and stays so; a person must look';

/** Keeps what the work returned. */
async function leave(executor: Executor, call: FencedCall, result: unknown): Promise<FenceAnswer> {
  const isPending = result instanceof Pending;
  const text = isPending ? null : replyText(result);
  if (isPending || text !== null) {
    await recordState(executor, call, 'done', isPending ? 'pending' : 'done', text);
  } else {
    await executor.query(PROBE);
  }
  return isPending ? { kind: 'pending', retryAfterMs: result.retryAfterMs } : { kind: 'done', reply: replyOf(text) };
}

async function endPending(
  executor: Executor,
  call: PendingCall,
  state: 'done' | 'refused',
  text: string | null,
): Promise<void> {
  const before = await bound(executor, null);
  if (await recordState(executor, call, 'pending', state, text)) return;
  const { op } = await look(executor, call, 'infinity', before);
  const isCancelled = op === 'cancel' || op === 'compensate';
  throw isCancelled && op !== call.op
    ? TercetError.of('TERCET_FENCE_CANCELLED', `${nameOf(call)} was cancelled before it was done; roll back`)
    : TercetError.of(
        'TERCET_FENCE_NOT_PENDING',
        `${nameOf(call)} is not pending: it never was, or has ended; roll back`,
      );
}

/** Of a call that is not to be answered from what was found. */
function troubleOf({ kind }: Verdict, row: Row): TercetError {
  switch (kind) {
    case 'purged':
      return TercetError.of('TERCET_FENCE_PURGED', `${nameOf(row)}: ${PURGED}`);
    case 'try missing':
      return TercetError.of('TERCET_FENCE_TRY_MISSING', `${nameOf(row)}: ${TRY_MISSING}`);
    case 'ended':
      return TercetError.of('TERCET_FENCE_ENDED', `${nameOf(row)}: ${ENDED}`);
    default:
      return TercetError.of('TERCET_FENCE_BUSY', `the row of ${nameOf(row)} changed meanwhile; call again`);
  }
}
