/** What the outbox and Kafka mean for who is on call. */
import type { OutboxView } from '../protocol/outbox.js';
import type { CheckView } from '../protocol/words.js';
import { doubtful, duration, good, wrong } from './checks.js';

/** A message that could have gone out, and has not for so long. */
const OLD_MS = 60_000;
const OFF = 'off: KAFKA_BROKERS is not set';

/** @param probe says how many brokers there are; null: this node has no Kafka */
export async function kafkaCheck(probe: (() => Promise<number>) | null): Promise<CheckView> {
  if (!probe) return good('kafka', OFF);
  try {
    return good('kafka', `brokers in the cluster: ${await probe()}`);
  } catch (error) {
    return wrong(
      'kafka',
      (error as Error).message,
      'are the brokers up, and does KAFKA_BROKERS lead to them? Messages wait meanwhile, and nothing else does',
    );
  }
}

export function outboxChecks(view: OutboxView, now: number): CheckView[] {
  return [waiting(view, now), ...blocked(view), ...dead(view)];
}

function waiting({ rows, oldestAt, relays, unownedBuckets, here }: OutboxView, now: number): CheckView {
  if (oldestAt === null) return good('outbox', 'nothing waits for Kafka');
  const ageMs = now - Date.parse(oldestAt);
  const detail = `waiting for Kafka: ${rows}, the oldest for ${duration(ageMs)}`;
  if (ageMs < OLD_MS) return good('outbox', detail);
  if (!relays.some(({ isAlive }) => isAlive)) {
    return wrong('outbox', `${detail}; no node sends`, 'set KAFKA_BROKERS for at least one node');
  }
  if (unownedBuckets > 0) {
    return doubtful('outbox', `${detail}; of 64 parts ${unownedBuckets} are nobody's`, 'look again in half a minute');
  }
  const why = here?.broker ? `: ${here.broker.why}` : '';
  return wrong('outbox', detail + why, '`tercet outbox` says which topics wait, and why');
}

function blocked({ here }: OutboxView): CheckView[] {
  const [first] = here?.blocked ?? [];
  if (!here || !first) return [];
  const { topic, key, why } = first;
  const detail = `${here.blockedCount} topics or keys wait, such as ${topic}${key === null ? '' : `, key ${key}`}: ${why}`;
  return [wrong('refused', detail, 'Kafka refuses them: make the topic, or let it take larger messages')];
}

function dead({ dead: count }: OutboxView): CheckView[] {
  if (count === 0) return [];
  return [wrong('dead letters', `Kafka refused ${count} messages for good`, '`tercet outbox dead` says which and why')];
}
