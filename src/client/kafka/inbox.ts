/**
 * What a consumer has done already, and what failed, in its own database: a message takes effect in the transaction
 * that its row stands in, so both commit or neither does.
 */
import { rowsOf, sqlState } from '../../platform/executor.js';
import type { Executor } from '../../platform/executor.js';
import { BOUND, BURY, ENTER, ENTER_DEAD, FAIL, FOLLOW, OBITUARY, PURGE, RELEASE, SETTLE } from './statements.js';

/** One message as the inbox knows it. */
export interface InboxEntry {
  /** The consumer group. */
  readonly consumer: string;
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: Buffer | null;
}

/**
 * `run`: it is to take effect in this transaction. `repeat`: it did already. `dead`: it was given up, and may not yet be
 * in the dead-letter topic. `parked`: one before it of its key was given up.
 */
export type Entrance = 'run' | 'repeat' | 'dead' | 'parked';

export interface Failure {
  readonly attempts: number;
  /** Since the first of them, in ms. */
  readonly ageMs: number;
}

export interface Obituary {
  readonly attempts: number;
  readonly error: string;
  readonly firstFailedAt: Date;
}

/** Somebody else has the message open, or lets its key go: no fault of the message. */
export class MessageBusy extends Error {
  override readonly name = 'MessageBusy';

  constructor(id: string, cause: unknown) {
    super(`another transaction has the message '${id}' or its key open for more than ${LOCK_MS} ms`, { cause });
  }
}

/** Another consumer that has the message open, frozen for instance, is not waited for longer. */
const LOCK_MS = 5000;
const LOCK_NOT_AVAILABLE = '55P03';
const UNDEFINED_TABLE = '42P01';
const NOT_INSTALLED =
  'the tables of the inbox are not there: run its migration (TercetInbox1763769600000), or installInbox once';
const PURGE_LIMIT = 10_000;
const MAX_ERROR_CHARS = 2000;

export const inbox = {
  /**
   * Forgets what took effect before `olderThan`. A message that comes again after that takes effect again: keep longer
   * than the topics keep their messages.
   *
   * @param limit rows to remove at most, default 10000; call again while so many were removed
   * @returns how many rows were removed
   */
  async purge(executor: Executor, olderThan: Date, { limit = PURGE_LIMIT } = {}): Promise<number> {
    if (!(olderThan.getTime() <= Date.now())) throw new RangeError('olderThan must be in the past');
    return countOf(executor, PURGE, [olderThan.toISOString(), limit]);
  },

  /**
   * Lets a parked key go on without what is in the dead-letter topic.
   *
   * @returns how many of its messages were given up
   */
  async release(
    executor: Executor,
    { groupId, topic, key }: { groupId: string; topic: string; key: string | Buffer },
  ): Promise<number> {
    return countOf(executor, RELEASE, [groupId, topic, Buffer.from(key)]);
  },
};

/** Lets one message in; the transaction is open, READ COMMITTED. `isReplay`: it comes from a dead-letter topic. */
export async function enter(executor: Executor, entry: InboxEntry, isReplay: boolean): Promise<Entrance> {
  const [bound] = await rowsOf<{ before: string }>(executor, BOUND, [String(LOCK_MS)]);
  const before = bound?.before ?? '0';
  try {
    const [row] = isReplay
      ? await rowsOf<{ verdict: Entrance }>(executor, ENTER_DEAD, [entry.consumer, entry.id, before])
      : await rowsOf<{ verdict: Entrance }>(executor, ENTER, [...placed(entry), before]);
    return row?.verdict ?? 'repeat';
  } catch (error) {
    if (sqlState(error) === UNDEFINED_TABLE) throw new Error(NOT_INSTALLED, { cause: error });
    if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
    throw new MessageBusy(entry.id, error);
  }
}

/** After the work, in its transaction. */
export async function settle(executor: Executor, { consumer, id }: InboxEntry): Promise<void> {
  await executor.query(SETTLE, [consumer, id]);
}

/** Counts an attempt that failed, in a transaction of its own. @returns null: the message took effect meanwhile */
export async function fail(executor: Executor, entry: InboxEntry, error: string): Promise<Failure | null> {
  const [row] = await rowsOf<{ attempts: number; age_ms: number }>(executor, FAIL, [...placed(entry), storable(error)]);
  return row ? { attempts: row.attempts, ageMs: row.age_ms } : null;
}

/** Gives a message up that has failed. From then on it is not tried again where it stands. */
export async function bury(executor: Executor, { consumer, id }: InboxEntry, isParking: boolean): Promise<void> {
  await executor.query(BURY, [consumer, id, isParking]);
}

/** Gives a message up because its key is parked; in the transaction in which it tried to enter. */
export async function follow(executor: Executor, entry: InboxEntry): Promise<void> {
  await executor.query(FOLLOW, [...placed(entry), 'an earlier message of its key was given up']);
}

/** What is known of a message that was given up. */
export async function obituaryOf(executor: Executor, { consumer, id }: InboxEntry): Promise<Obituary | null> {
  const [row] = await rowsOf<{ attempts: number; error: string; first_failed_at: Date }>(executor, OBITUARY, [
    consumer,
    id,
  ]);
  return row ? { attempts: row.attempts, error: row.error, firstFailedAt: row.first_failed_at } : null;
}

function placed({ consumer, id, topic, partition, offset, key }: InboxEntry): unknown[] {
  return [consumer, id, topic, partition, offset, key];
}

async function countOf(executor: Executor, text: string, values: unknown[]): Promise<number> {
  const [row] = await rowsOf<{ rows: number }>(executor, text, values);
  return row?.rows ?? 0;
}

/** PostgreSQL's text has no NUL. */
function storable(text: string): string {
  return text.replaceAll('\0', '').slice(0, MAX_ERROR_CHARS);
}
