/** How a call gets at its row: the statements of the fence in their order, and what they found. */
import type { ParticipantCall } from '../../protocol/words.js';
import { TercetError } from '../errors.js';
import { rowsOf, sqlState } from '../../platform/executor.js';
import type { Executor } from '../../platform/executor.js';
import { BOUND, CANCEL, CANCEL_FIRST, CONFIRM, HOLD_HORIZON, LOOK, RECORD, TRY } from './statements.js';
import { ORIGIN, verdictOn } from './verdict.js';
import type { FencedOp, Found, Verdict } from './verdict.js';

const DEFAULT_TIMEOUT_MS = 3000;
const MAX_LOCK_WAIT_MS = 5000;
const LOCK_NOT_AVAILABLE = '55P03';

interface Looked extends Omit<Found, 'op'> {
  op: Found['op'] | null;
  is_old: boolean;
  isolation: string;
  fenced: boolean;
}

/** Which row a statement is about. */
export interface Row extends Pick<ParticipantCall, 'gid' | 'branchId'> {
  readonly op: FencedOp;
}

export interface EnteringRow extends Row, Pick<ParticipantCall, 'beganAt'> {
  timeoutMs?: number;
}

/** Lets one call of the branch in, says what it means, and leaves lock_timeout as it was. */
export async function enter(executor: Executor, call: EnteringRow): Promise<Verdict> {
  const { op, beganAt, timeoutMs = DEFAULT_TIMEOUT_MS } = call;
  const lockMs = Math.round(Math.min(MAX_LOCK_WAIT_MS, Math.max(1, timeoutMs / 2)));
  const before = await bound(executor, String(lockMs));
  try {
    const { inserted, changed } = await record(executor, call);
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
export async function bound(executor: Executor, lockMs: string | null): Promise<string> {
  const [row] = await rowsOf<{ before: string }>(executor, BOUND, [lockMs]);
  return row?.before ?? '0';
}

export async function look(
  executor: Executor,
  { gid, branchId }: Row,
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
  { gid, branchId, op, beganAt }: EnteringRow,
): Promise<{ inserted: boolean; changed: boolean }> {
  const affected = async (text: string, value: string): Promise<boolean> =>
    (await rowsOf(executor, text, [gid, branchId, op, value])).length > 0;
  switch (op) {
    case 'try':
    case 'action':
    case 'deliver':
    case 'local':
      return { inserted: await affected(TRY, beganAt), changed: false };
    case 'confirm':
      return { inserted: false, changed: await affected(CONFIRM, ORIGIN[op]) };
    case 'check':
      return { inserted: await affected(CANCEL_FIRST, beganAt), changed: false };
    case 'cancel':
    case 'compensate':
      if (await affected(CANCEL_FIRST, beganAt)) return { inserted: true, changed: false };
      return { inserted: false, changed: await affected(CANCEL, ORIGIN[op]) };
  }
}

/** @returns false: the row is not in the state `before` */
export async function recordState(
  executor: Executor,
  { gid, branchId, op }: Row,
  before: Found['state'],
  after: Found['state'],
  text: string | null,
): Promise<boolean> {
  return (await rowsOf(executor, RECORD, [gid, branchId, op, before, after, text])).length > 0;
}

export function nameOf({ gid, branchId, op }: Row): string {
  if (op === 'local') return `the local transaction of message '${gid}'`;
  if (op === 'check') return `the check of message '${gid}'`;
  return `${op} of branch '${branchId}' of transaction '${gid}'`;
}
