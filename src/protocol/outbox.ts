/** The outbox in the words of the wire contract: docs/wire.md, section 6. */

/** What does not work at present. */
export interface TroubleView {
  why: string;
  since: string;
}

/** What the relay of one node does, since it was started. */
export interface RelayView {
  relay: string;
  /** Those that it sends the messages of. */
  buckets: number;
  /** Messages that the broker has taken; one that was sent twice counts twice. */
  sent: number;
  batches: number;
  /** Batches that the broker did not take as they were. */
  failures: number;
  /** Messages put to the dead letters. */
  dead: number;
  broker: TroubleView | null;
  database: TroubleView | null;
  blockedCount: number;
  /** The first hundred. Without `key` it is the whole topic, or with `id` a message that has no key. */
  blocked: (TroubleView & { topic: string; key: string | null; id: string | null })[];
}

/** What waits for Kafka. */
export interface OutboxView {
  /** Messages that the broker has not taken yet; 100000 stands for that many or more. */
  rows: number;
  oldestAt: string | null;
  dead: number;
  /** The hundred with the most. */
  topics: { topic: string; rows: number; oldestAt: string }[];
  relays: { relay: string; isAlive: boolean; until: string; buckets: number }[];
  /** Of 64: those whose messages nobody sends. */
  unownedBuckets: number;
  /** Of the node that answers; null: it has no Kafka. */
  here: RelayView | null;
}

/** A message that the broker refused for good. */
export interface DeadLetterView {
  id: string;
  /** `ce_id`: the gid and the branchId, with a slash between. */
  messageId: string;
  topic: string;
  key: string | null;
  /** What the broker said. */
  error: string;
  /** Of its payload. */
  bytes: number;
  createdAt: string;
  failedAt: string;
}
