/** A message as the handler gets it. */
import { createHash } from 'node:crypto';
import type { IHeaders, KafkaMessage } from 'kafkajs';
import type { Executor } from '../../platform/executor.js';

export interface Message<Payload = unknown, Manager extends Executor = Executor> {
  /** `ce_id`, or topic/partition/offset where the producer gave none. */
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** Messages of one key come in the order in which they were sent. */
  readonly key: string | null;
  /** The value, parsed; null: there was none. */
  readonly payload: Payload;
  /** As text; the last one where a header came several times. */
  readonly headers: Readonly<Record<string, string>>;
  /** The transaction of the coordinator that sent it, and its branch: `ce_gid`, `ce_branchid`. */
  readonly gid: string | null;
  readonly branchId: string | null;
  /** When it happened, as its producer says (`ce_time`), else when Kafka took it. */
  readonly at: Date;
  /** The open transaction that the inbox row stands in: what is written with it takes effect once or not at all. */
  readonly manager: Manager;
}

/** All that does not need the transaction. */
export type Envelope = Omit<Message, 'manager' | 'payload'>;

/** Longer ones are known by their hash: an index has room for no more than 2700 bytes. */
const MAX_ID_CHARS = 600;

export function envelopeOf(
  topic: string,
  partition: number,
  { key, offset, headers, timestamp }: KafkaMessage,
): Envelope {
  const texts = headerTexts(headers ?? {});
  const at = new Date(texts['ce_time'] ?? Number(timestamp));
  return {
    id: texts['ce_id'] ?? placeId(topic, partition, offset),
    topic,
    partition,
    offset,
    key: key?.toString() ?? null,
    headers: texts,
    gid: texts['ce_gid'] ?? null,
    branchId: texts['ce_branchid'] ?? null,
    at: Number.isNaN(at.getTime()) ? new Date(Number(timestamp)) : at,
  };
}

/** A message that says no id is known by its place. */
export function placeId(topic: string, partition: number, offset: string): string {
  return `${topic}/${partition}/${offset}`;
}

/** What a repeat is known by: CloudEvents are the same if source and id are. */
export function inboxId({ id, headers }: Envelope): string {
  const source = headers['ce_id'] === undefined ? undefined : headers['ce_source'];
  const full = source === undefined ? id : `${source} ${id}`;
  if (full.length <= MAX_ID_CHARS && !full.includes('\0')) return full;
  return `sha256:${createHash('sha256').update(full).digest('hex')}`;
}

function headerTexts(headers: IHeaders): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    if (last !== undefined) texts[name] = last.toString();
  }
  return texts;
}
