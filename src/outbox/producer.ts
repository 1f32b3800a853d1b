/** Where a relay hands over what it has read, one batch after the other. */

/** A row of the outbox as it goes out. */
export interface OutboxRecord {
  readonly topic: string;
  /** Records of one key go to one partition; null: to any. */
  readonly key: string | null;
  /** JSON text: the value, as it is. */
  readonly payload: string;
  /** JSON text of an object of strings: all headers. */
  readonly headers: string;
}

export interface Producer {
  /**
   * Resolves when the broker has stored every record, those of one topic and key in the order given. One call at a
   * time, which settles within a bounded time. When it rejects, some of the records may have been stored all the same.
   *
   * @throws TopicUnknown, RecordsRefused, or anything else: it did not work this time, and may the next
   */
  send(records: readonly OutboxRecord[]): Promise<void>;

  /** Gives up its connections; a send under way may fail. Never rejects. */
  close(): Promise<void>;
}

/**
 * The broker has no such topic, does not let us write to it, or has too few replicas of it at present: what goes there
 * waits, and nothing else.
 */
export class TopicUnknown extends Error {
  override readonly name = 'TopicUnknown';

  constructor(
    readonly topic: string,
    message = `the broker knows no topic ${topic}`,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** At least one of the records will never be accepted as it is: too large, or not valid. */
export class RecordsRefused extends Error {
  override readonly name = 'RecordsRefused';
}
