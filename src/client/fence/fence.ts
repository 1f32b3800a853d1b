/**
 * The guard in the service's own database that makes each operation take effect once (G8). It runs inside the
 * transaction of the work it guards, so that both commit or neither does; docs/fence.md has the same in plain SQL.
 */
import type { Json, ParticipantCall } from '../../protocol/words.js';
import { Refused, TercetError } from '../errors.js';
import { rowsOf, sqlState } from './executor.js';
import type { Executor } from './executor.js';
import { replyOf, replyText } from './reply.js';
import { BOUND, CANCEL, CANCEL_FIRST, CONFIRM, HOLD_HORIZON, LOOK, PROBE, PURGE, RECORD, TRY } from './statements.js';
import { ORIGIN, verdictOn } from './verdict.js';
import type { EndOp, Facts, FirstOp, Found, Verdict } from './verdict.js';

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

/** What to answer: 2xx with the reply, or 425. */
export type FenceAnswer = { kind: 'done'; reply: Json } | { kind: 'pending'; retryAfterMs: number | null };

interface Looked extends Omit<Found, 'op'> {
  op: Found['op'] | null;
  is_old: boolean;
  isolation: string;
  fenced: boolean;
}

const DEFAULT_TIMEOUT_MS = 3000;
const MAX_LOCK_WAIT_MS = 5000;
const LOCK_NOT_AVAILABLE = '55P03';
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
    const verdict = await enter(executor, call, guarded(call));
    switch (verdict.kind) {
      case 'run':
        return leave(executor, call, await work(replyOf(verdict.kept)));
      case 'answer':
        return { kind: 'done', reply: replyOf(verdict.reply) };
      case 'pending':
        return { kind: 'pending', retryAfterMs: null };
      case 'refused':
        throw new Refused(verdict.reason);
      case 'moved':
        throw TercetError.of('TERCET_FENCE_BUSY', `the row of ${nameOf(call)} changed meanwhile; call again`);
      case 'purged':
        throw TercetError.of('TERCET_FENCE_PURGED', `${nameOf(call)}: ${PURGED}`);
      case 'try missing':
        throw TercetError.of('TERCET_FENCE_TRY_MISSING', `${nameOf(call)}: ${TRY_MISSING}`);
      case 'ended':
        throw TercetError.of('TERCET_FENCE_ENDED', `${nameOf(call)}: ${ENDED}`);
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

/** Lets one call of the branch in, says what it means, and leaves lock_timeout as it was. */
async function enter(executor: Executor, call: FencedCall, op: Facts['op']): Promise<Verdict> {
  const { beganAt, timeoutMs = DEFAULT_TIMEOUT_MS } = call;
  const lockMs = Math.round(Math.min(MAX_LOCK_WAIT_MS, Math.max(1, timeoutMs / 2)));
  const before = await bound(executor, String(lockMs));
  try {
    const { inserted, changed } = await record(executor, call, op);
    const looked = await look(executor, call, beganAt, before);
    if (inserted && looked.isolation !== 'read committed') await executor.query(HOLD_HORIZON);
    const found = looked.op === null ? null : { ...looked, op: looked.op };
    return verdictOn({ op, inserted, changed, found, isOld: looked.is_old });
  } catch (error) {
    if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
    const detail = `another call of ${nameOf(call)} did not end within ${lockMs} ms; call again`;
    throw TercetError.of('TERCET_FENCE_BUSY', detail, { cause: error });
  }
}

/** @returns the lock_timeout to go back to */
async function bound(executor: Executor, lockMs: string | null): Promise<string> {
  const [row] = await rowsOf<{ before: string }>(executor, BOUND, [lockMs]);
  return row?.before ?? '0';
}

async function look(
  executor: Executor,
  { gid, branchId }: PendingCall,
  beganAt: string,
  lockTimeout: string,
): Promise<Looked> {
  const [looked] = await rowsOf<Looked>(executor, LOOK, [gid, branchId, beganAt, lockTimeout]);
  if (looked?.fenced) return looked;
  throw TercetError.of(
    'TERCET_FENCE_MISUSED',
    'the fence must run on one connection with an open transaction: with the manager of dataSource.transaction(), or after BEGIN',
  );
}

async function record(
  executor: Executor,
  { gid, branchId, beganAt }: FencedCall,
  op: Facts['op'],
): Promise<{ inserted: boolean; changed: boolean }> {
  const affected = async (text: string, value: string): Promise<boolean> =>
    (await rowsOf(executor, text, [gid, branchId, op, value])).length > 0;
  switch (op) {
    case 'try':
    case 'action':
      return { inserted: await affected(TRY, beganAt), changed: false };
    case 'confirm':
      return { inserted: false, changed: await affected(CONFIRM, ORIGIN[op]) };
    case 'cancel':
    case 'compensate':
      if (await affected(CANCEL_FIRST, beganAt)) return { inserted: true, changed: false };
      return { inserted: false, changed: await affected(CANCEL, ORIGIN[op]) };
  }
}

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

async function recordState(
  executor: Executor,
  { gid, branchId, op }: PendingCall,
  before: Found['state'],
  after: Found['state'],
  text: string | null,
): Promise<boolean> {
  return (await rowsOf(executor, RECORD, [gid, branchId, op, before, after, text])).length > 0;
}

function guarded({ gid, branchId, op }: PendingCall): FirstOp | EndOp {
  if (op !== 'check' && op !== 'deliver') return op;
  throw TercetError.of('TERCET_FENCE_MISUSED', `${nameOf({ gid, branchId, op })}: the fence does not guard '${op}'`);
}

function nameOf({ gid, branchId, op }: PendingCall): string {
  return `${op} of branch '${branchId}' of transaction '${gid}'`;
}
