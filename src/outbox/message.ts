/** A message on its way to Kafka, and the headers that it goes out with (CloudEvents 1.0, binary mode). */

/** Buckets of an outbox; fixed, for messages of one key must never be in two. */
export const BUCKETS = 64;

export interface OutboxMessage {
  /** What a consumer knows a repeat by: `ce_id`. */
  readonly id: string;
  readonly topic: string;
  /** Messages of one key leave in the order in which they were committed; null: in any order. */
  readonly key: string | null;
  /** JSON text. */
  readonly payload: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What every message says of itself. */
export interface CloudEvent {
  readonly id: string;
  /** `ce_type`. */
  readonly type: string;
  /** `ce_source`: who says so, a URI reference. */
  readonly source: string;
  /** When it happened, ms. */
  readonly at: number;
  readonly key: string | null;
  /** W3C; null: it belongs to no trace. */
  readonly traceparent: string | null;
}

/** The headers of a message; what the sender says itself of type, source and subject counts. */
export function cloudEventHeaders(
  { id, type, source, at, key, traceparent }: CloudEvent,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    ce_type: type,
    ce_source: source,
    'content-type': 'application/json',
    ...(traceparent === null ? {} : { traceparent }),
    ...own,
    ce_specversion: '1.0',
    ce_id: id,
    ce_time: new Date(at).toISOString(),
    ...(key === null ? {} : { ce_partitionkey: key }),
  };
}

/** The bucket of a message: FNV-1a over its key, or over its id where it has none. */
export function bucketOf({ key, id }: Pick<OutboxMessage, 'key' | 'id'>): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(key ?? id)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % BUCKETS;
}
