/** What waits for Kafka, the same at every node, and what the relay of this one did about it. */
import type { Registry } from 'prom-client';
import { gauge, total } from './gauge.js';
import { Reading } from './reading.js';

/** In the whole outbox. */
export interface OutboxDepth {
  readonly rows: number;
  readonly dead: number;
  /** Null: nothing waits. */
  readonly oldestMs: number | null;
}

/** Of the relay of this node. */
export interface RelayFacts {
  readonly tally: { readonly sent: number; readonly batches: number; readonly failures: number; readonly dead: number };
  readonly buckets: readonly unknown[];
  /** With an id it is a message, and its key with it; else a topic. */
  readonly blocked: readonly { readonly id: string | null }[];
  /** Null: the broker took what it was last given. */
  readonly broker: unknown;
}

export interface OutboxSources {
  readonly outbox: () => Promise<OutboxDepth>;
  /** Null: this node has no Kafka. */
  readonly relay: () => RelayFacts | null;
}

export function outboxMetrics(registry: Registry, { outbox, relay }: OutboxSources): void {
  const depth = new Reading(outbox);
  const told = (name: string, help: string, of: (found: OutboxDepth) => number): void =>
    gauge(registry, { name, help }, async (set) => {
      const found = await depth.now();
      // Nothing rather than what was once true.
      if (found) set(of(found));
    });
  told('outbox_messages', 'Messages of the whole outbox that Kafka has not taken; 100000 or more.', ({ rows }) => rows);
  told(
    'outbox_oldest_seconds',
    'Since the oldest message that Kafka has not taken was put into the outbox; 0: there is none.',
    ({ oldestMs }) => (oldestMs ?? 0) / 1000,
  );
  told('outbox_dead_messages', 'Messages that Kafka refused for good, and that wait for a person.', ({ dead }) => dead);

  const here = (name: string, help: string, of: (found: RelayFacts) => number): void =>
    gauge(registry, { name, help }, (set) => {
      const found = relay();
      if (found) set(of(found));
    });
  here(
    'kafka_up',
    'Whether Kafka took what this node last sent it: 1 or 0; absent where there is no Kafka.',
    (found) => (found.broker === null ? 1 : 0),
  );
  here('outbox_buckets', 'Of the 64 parts of the outbox those that this node sends.', ({ buckets }) => buckets.length);
  const blocked = {
    name: 'outbox_blocked',
    help: 'Topics, and keys or single messages, that wait because Kafka refuses them to this node.',
    labels: ['what'],
  };
  gauge(registry, blocked, (set) => {
    const found = relay();
    if (!found) return;
    const topics = found.blocked.filter(({ id }) => id === null).length;
    set(topics, 'topic');
    set(found.blocked.length - topics, 'key');
  });

  const counted = (name: string, help: string, of: (tally: RelayFacts['tally']) => number): void =>
    total(registry, { name, help }, () => of(relay()?.tally ?? { sent: 0, batches: 0, failures: 0, dead: 0 }));
  counted('outbox_sent', 'Messages that Kafka took from this node; a repeated one counts again.', ({ sent }) => sent);
  counted('outbox_batches', 'Batches that Kafka took from this node.', ({ batches }) => batches);
  counted(
    'outbox_failures',
    'Batches that Kafka did not take from this node as they were.',
    ({ failures }) => failures,
  );
  counted('outbox_skipped', 'Messages that this node put to the dead letters.', ({ dead }) => dead);
}
