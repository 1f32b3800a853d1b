/** What one lane does not read for now, since the broker does not take it, and everything else goes on. */
import type { OutboxRecord } from './producer.js';
import type { Clock } from '../platform/surroundings.js';

/** A row on its way. */
export interface OutboxRow extends OutboxRecord {
  readonly bucket: number;
  /** Digits. */
  readonly id: string;
}

/** A topic that waits, or one key of it, or one message without a key. */
export interface Blocked {
  readonly topic: string;
  /** Null: all of the topic, or a message without a key. */
  readonly key: string | null;
  /** The row that the broker refuses; null: it is the topic. */
  readonly id: string | null;
  readonly why: string;
  /** ms since the epoch. */
  readonly since: number;
}

interface Entry extends Blocked {
  readonly tries: number;
  /** Monotonic. */
  readonly retryAt: number;
  /** It is read again: sent or refused anew, it is known which soon. */
  readonly isOnTrial: boolean;
}

/** As they stand in the statement that reads. */
export interface Exclusions {
  readonly topics: string[];
  readonly keyTopics: string[];
  readonly keys: string[];
  readonly ids: string[];
}

const TOPIC_RETRY_MS = { first: 1000, cap: 30_000 };
const ROW_RETRY_MS = { first: 5000, cap: 60_000 };
/** One more, and its topic waits as a whole: what refuses so many refuses all. */
const MAX_ROWS = 1000;
/** A row that is not seen again for so long was removed by somebody. */
const TRIAL_MS = 60_000;

export class Blocks {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly clock: Clock) {}

  get all(): Blocked[] {
    return [...this.entries.values()].map(({ topic, key, id, why, since }) => ({ topic, key, id, why, since }));
  }

  get areNone(): boolean {
    return this.entries.size === 0;
  }

  /** Whether it did not wait before. */
  topic(topic: string, why: string): boolean {
    return this.add(topicName(topic), { topic, key: null, id: null, why }, TOPIC_RETRY_MS);
  }

  /** The row, and those of its topic and key behind it. */
  row(row: OutboxRow, why: string): boolean {
    const { topic, key, id } = row;
    const name = rowName(row);
    if (this.entries.size >= MAX_ROWS && !this.entries.has(name)) return this.topic(topic, why);
    return this.add(name, { topic, key, id, why }, ROW_RETRY_MS);
  }

  has(row: OutboxRow): boolean {
    return this.waits(topicName(row.topic)) || this.waits(rowName(row));
  }

  /** The broker has taken these. */
  passed(rows: readonly OutboxRow[]): void {
    if (this.entries.size === 0) return;
    for (const row of rows) {
      this.entries.delete(topicName(row.topic));
      this.entries.delete(rowName(row));
    }
  }

  /**
   * What the next read leaves out. What has waited long enough is read again: only from here on, since what was
   * read before holds later rows of it, and not the first.
   */
  exclusions(): Exclusions {
    const out: Exclusions = { topics: [], keyTopics: [], keys: [], ids: [] };
    const now = this.clock.monotonic();
    for (const [name, entry] of this.entries) {
      if (entry.retryAt <= now) this.retry(name, entry, now);
      else if (entry.id === null) out.topics.push(entry.topic);
      else if (entry.key === null) out.ids.push(entry.id);
      else {
        out.keyTopics.push(entry.topic);
        out.keys.push(entry.key);
      }
    }
    return out;
  }

  private retry(name: string, entry: Entry, now: number): void {
    if (entry.retryAt <= now - TRIAL_MS) this.entries.delete(name);
    else this.entries.set(name, { ...entry, isOnTrial: true });
  }

  private waits(name: string): boolean {
    return this.entries.get(name)?.isOnTrial === false;
  }

  private add(name: string, what: Omit<Blocked, 'since'>, { first, cap }: { first: number; cap: number }): boolean {
    const before = this.entries.get(name);
    const tries = (before?.tries ?? 0) + 1;
    const retryAt = this.clock.monotonic() + Math.min(cap, first * 2 ** (tries - 1));
    const since = before?.since ?? this.clock.now();
    this.entries.set(name, { ...what, since, tries, retryAt, isOnTrial: false });
    return before === undefined;
  }
}

const topicName = (topic: string): string => `topic ${topic}`;
/** No topic has a blank in it. */
const rowName = ({ topic, key, id }: OutboxRow): string => (key === null ? `row ${id}` : `key ${topic} ${key}`);
