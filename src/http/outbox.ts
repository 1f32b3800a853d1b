/** The outbox as the wire shows it: what waits for Kafka in all, and what the relay of this node does about it. */
import type { Clock, Logger } from '../engine/ports.js';
import type { Order } from '../engine/timeline.js';
import type { DeadLetter } from '../outbox/dead-letters.js';
import type { RelayStatus } from '../outbox/relay.js';
import { TercetError } from '../protocol/errors.js';
import type { DeadLetterView, OutboxView, RelayView } from '../protocol/outbox.js';
import type { PostgresOutbox } from '../storage/outbox.js';

/** More of what is blocked is counted, and not told one by one. */
const MAX_BLOCKED = 100;
/** As PostgreSQL's bigint, and not more. */
const ID = /^[1-9]\d{0,17}$/;

export interface OutboxParts {
  readonly stored: PostgresOutbox;
  /** Null: this node has no Kafka. */
  readonly relay: { readonly status: RelayStatus; wake(): void } | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Outbox {
  constructor(private readonly parts: OutboxParts) {}

  async view(): Promise<OutboxView> {
    const { stored, clock, relay } = this.parts;
    const { rows, dead, oldestMs, topics, relays, unowned } = await stored.look();
    const now = clock.now();
    const ago = (ms: number): string => new Date(now - ms).toISOString();
    return {
      rows,
      oldestAt: oldestMs === null ? null : ago(oldestMs),
      dead,
      topics: topics.map(({ topic, rows: waiting, oldestMs: ms }) => ({ topic, rows: waiting, oldestAt: ago(ms) })),
      relays: relays.map(({ id, leftMs, buckets }) => ({
        relay: id,
        isAlive: leftMs > 0,
        until: ago(-leftMs),
        buckets,
      })),
      unownedBuckets: unowned,
      here: relay && relayView(relay.status),
    };
  }

  /** What goes wrong with Kafka at present, without the name of any host. */
  warnings(): string[] {
    const { broker, blocked } = this.parts.relay?.status ?? { broker: null, blocked: [] };
    return [
      ...(broker ? [`kafka: it has taken no messages since ${new Date(broker.since).toISOString()}; they wait`] : []),
      ...(blocked.length > 0 ? [`kafka: it refuses messages of ${blocked.length} topics or keys; they wait`] : []),
    ];
  }

  /** @param after the last id of the page before */
  async dead(limit: number, after: string | undefined): Promise<{ messages: DeadLetterView[]; next: string | null }> {
    const found = await this.parts.stored.dead(limit + 1, after);
    const page = found.slice(0, limit);
    return { messages: page.map(deadView), next: found.length > limit ? (page.at(-1)?.id ?? null) : null };
  }

  /** @throws TercetError when there is none */
  async requeue(id: string, at: 'end' | 'place', order: Order): Promise<DeadLetterView> {
    const letter = await this.one(id);
    if (!(await this.parts.stored.putBack(id, at))) throw unknown(id);
    this.ordered(`requeue at its ${at}`, letter, order);
    this.parts.relay?.wake();
    return deadView(letter);
  }

  /** @throws TercetError when there is none */
  async drop(id: string, order: Order): Promise<void> {
    const letter = await this.one(id);
    if (!(await this.parts.stored.drop(id))) throw unknown(id);
    this.ordered('drop', letter, order);
  }

  private async one(id: string): Promise<DeadLetter> {
    const found = ID.test(id) ? await this.parts.stored.deadOne(id) : null;
    if (!found) throw unknown(id);
    return found;
  }

  /** It outlives the transaction, so its timeline cannot tell. */
  private ordered(what: string, { id, messageId, topic, key }: DeadLetter, { who, reason }: Order): void {
    this.parts.logger.warn(
      { order: what, who, reason, id, messageId, topic, key },
      'an operator decided on a dead letter',
    );
  }
}

function relayView({ id, tally, buckets, blocked, broker, database }: RelayStatus): RelayView {
  const since = <T extends { since: number }>(trouble: T): Omit<T, 'since'> & { since: string } => {
    return { ...trouble, since: new Date(trouble.since).toISOString() };
  };
  return {
    relay: id,
    buckets: buckets.length,
    ...tally,
    broker: broker && since(broker),
    database: database && since(database),
    blockedCount: blocked.length,
    blocked: blocked.slice(0, MAX_BLOCKED).map(since),
  };
}

function deadView({ id, messageId, topic, key, error, payload, createdAt, failedAt }: DeadLetter): DeadLetterView {
  const bytes = Buffer.byteLength(payload);
  return {
    id,
    messageId,
    topic,
    key,
    error,
    bytes,
    createdAt: createdAt.toISOString(),
    failedAt: failedAt.toISOString(),
  };
}

function unknown(id: string): TercetError {
  return new TercetError(
    'TERCET_DEAD_LETTER_UNKNOWN',
    `no dead letter '${id.slice(0, 200)}' is there; somebody may have put it back, or dropped it`,
  );
}
