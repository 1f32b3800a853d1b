/** What stands in the outbox, and what the broker refused: looked at by anybody, changed by order of a person. */
import type { Logger } from '../engine/ports.js';
import { DeadLetters } from '../outbox/dead-letters.js';
import type { DeadLetter } from '../outbox/dead-letters.js';
import type { OutboxDepth } from '../outbox/relay.js';
import { tablesOf } from '../outbox/schema.js';
import { depthStatement, MAX_DEPTH } from '../outbox/statements.js';
import { Database } from './database.js';
import type { DatabaseSettings } from './database.js';

/** Begins the names of the tables, which migration 0006 makes. */
export const OUTBOX = 'tercet.outbox';
/** More are not told one by one. */
const MAX_TOPICS = 100;

export interface WaitingTopic {
  readonly topic: string;
  readonly rows: number;
  /** Since the oldest that was counted, ms. */
  readonly oldestMs: number;
}

/** One relay: a node that sends. */
export interface RelayFacts {
  readonly id: string;
  /** Of its lease, ms; negative: it ran out so long ago. */
  readonly leftMs: number;
  /** Those that it has. */
  readonly buckets: number;
}

export interface OutboxFacts extends OutboxDepth {
  /** The most first. */
  readonly topics: readonly WaitingTopic[];
  readonly relays: readonly RelayFacts[];
  /** Buckets that nobody sends. */
  readonly unowned: number;
}

const DEPTH = depthStatement(tablesOf(OUTBOX));

const TOPICS = `
  SELECT topic, count(*)::int AS rows, (extract(epoch FROM clock_timestamp() - min(created_at)) * 1000)::float8 AS "oldestMs"
    FROM (SELECT topic, created_at FROM ${OUTBOX} LIMIT ${MAX_DEPTH}) m
   GROUP BY topic ORDER BY 2 DESC, topic LIMIT ${MAX_TOPICS}`;

const RELAYS = `
  SELECT r.id, (extract(epoch FROM r.until - now()) * 1000)::float8 AS "leftMs",
         (SELECT count(*)::int FROM ${OUTBOX}_lease l WHERE l.owner = r.id AND l.until > now()) AS buckets
    FROM ${OUTBOX}_relay r ORDER BY r.id`;

const UNOWNED = `SELECT count(*)::int AS unowned FROM ${OUTBOX}_lease WHERE owner IS NULL OR until <= now()`;

export class PostgresOutbox {
  private readonly database: Database;
  private readonly reading: DeadLetters;
  private readonly writing: DeadLetters;

  constructor(settings: DatabaseSettings, logger: Logger) {
    const database = new Database({ ...settings, connections: 1 }, logger);
    this.database = database;
    this.reading = new DeadLetters({ query: (text, values) => database.read(text, values) }, OUTBOX);
    this.writing = new DeadLetters({ query: (text, values = []) => database.write({ text, values }) }, OUTBOX);
  }

  /** @throws LogUnavailable */
  async depth(): Promise<OutboxDepth> {
    const [row] = await this.database.read<OutboxDepth>(DEPTH);
    return row ?? { rows: 0, dead: 0, oldestMs: null };
  }

  /** @throws LogUnavailable */
  async look(): Promise<OutboxFacts> {
    const depth = await this.depth();
    const topics = await this.database.read<WaitingTopic>(TOPICS);
    const relays = await this.database.read<RelayFacts>(RELAYS);
    const [row] = await this.database.read<{ unowned: number }>(UNOWNED);
    return { ...depth, topics, relays, unowned: row?.unowned ?? 0 };
  }

  /** In the order of their ids. @throws LogUnavailable */
  dead(limit: number, after: string | undefined): Promise<DeadLetter[]> {
    return this.reading.list(after === undefined ? { limit } : { limit, after });
  }

  /** Null: there is none. @throws LogUnavailable */
  async deadOne(id: string): Promise<DeadLetter | null> {
    const [found] = await this.reading.list({ limit: 1, after: String(BigInt(id) - 1n) });
    return found?.id === id ? found : null;
  }

  /** Whether it was there. @throws LogUnavailable: it was not put back; LogOutcomeUnknown */
  async putBack(id: string, where: 'end' | 'place'): Promise<boolean> {
    return (await this.writing.putBack([id], where)) > 0;
  }

  /** Whether it was there. @throws LogUnavailable: it was not dropped; LogOutcomeUnknown */
  async drop(id: string): Promise<boolean> {
    return (await this.writing.drop([id])) > 0;
  }

  async close(): Promise<void> {
    await this.database.close();
  }
}
