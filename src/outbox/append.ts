/** Writes messages into a service's own outbox, in the transaction that they belong to. */
import { randomUUID } from 'node:crypto';
import { LIMITS } from '../protocol/words.js';
import { faultOf, isText } from './bounds.js';
import type { Executor } from '../platform/executor.js';
import { bucketOf, cloudEventHeaders } from './message.js';
import type { OutboxMessage } from './message.js';
import { OUTBOX_PREFIX, tablesOf } from './schema.js';

const MAX_ID_CHARS = 512;

export interface NewMessage {
  /** `ce_id`, by which consumers know a repeat: 1 to 512 characters; default: a new UUID. */
  readonly id?: string;
  /** 1 to 249 characters of `a-z A-Z 0-9 . _ -`. */
  readonly topic: string;
  /**
   * Messages of one topic and key leave in the order in which they were appended, if the transactions that append to
   * a key come one after the other (they lock the row that the key stands for, say). At most 1024 characters;
   * default null: in any order.
   */
  readonly key?: string | null;
  /** Any JSON of at most 256 KiB. */
  readonly payload: unknown;
  /** At most 64. `ce_type`, `ce_source`, `ce_subject` and `content-type` replace what would be there. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AppendOptions {
  /** `ce_source`: who says so, a URI reference. */
  readonly source: string;
  /** W3C; default null: the messages belong to no trace. */
  readonly traceparent?: string | null;
  /** Begins the names of the tables; default `tercet_outbox`. */
  readonly prefix?: string;
}

/**
 * Inserts the messages with one statement. They go out if and only if the executor's transaction commits.
 *
 * @returns their ids
 * @throws RangeError that names the field, when a message is out of bounds; nothing was written then
 */
export async function append(
  executor: Executor,
  messages: readonly NewMessage[],
  { source, traceparent = null, prefix = OUTBOX_PREFIX }: AppendOptions,
): Promise<string[]> {
  const at = Date.now();
  const rows = messages.map((message, index): OutboxMessage => {
    const { topic, key = null, headers = {} } = message;
    const id = message.id ?? randomUUID();
    const payload = checked(message, id, `messages[${index}]`);
    const all = cloudEventHeaders({ id, type: topic, source, at, key, traceparent }, headers);
    return { id, topic, key, payload, headers: all };
  });
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  await executor.query(
    `INSERT INTO ${tablesOf(prefix).messages} (bucket, message_id, topic, key, payload, headers)
     SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])`,
    [
      rows.map(bucketOf),
      ids,
      rows.map(({ topic }) => topic),
      rows.map(({ key }) => key),
      rows.map(({ payload }) => payload),
      rows.map(({ headers }) => JSON.stringify(headers)),
    ],
  );
  return ids;
}

/** The payload as JSON text. */
function checked(message: NewMessage, id: string, where: string): string {
  const fault = faultOf(message);
  if (fault) throw new RangeError(`${where}.${fault.path.join('.')}: ${fault.problem}`);
  if (!isText(id, 1, MAX_ID_CHARS)) {
    throw new RangeError(`${where}.id: must be text of 1 to ${MAX_ID_CHARS} characters without U+0000`);
  }
  // Not text for what JSON has no word for: undefined, a function.
  const payload = JSON.stringify(message.payload) as string | undefined;
  if (payload === undefined) throw new RangeError(`${where}.payload: must be JSON; null stands for nothing`);
  if (Buffer.byteLength(payload) > LIMITS.payloadBytes) {
    throw new RangeError(`${where}.payload: must be at most ${LIMITS.payloadBytes} bytes of JSON`);
  }
  return payload;
}
