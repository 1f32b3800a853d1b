/** The client of Kafka that the coordinator makes of its settings. */
import { logTo } from '../../src/messaging/kafka.js';

function entry(message: string, more: object = {}): Parameters<ReturnType<typeof logTo>>[0] {
  return {
    namespace: 'Connection',
    level: 1,
    label: 'ERROR',
    log: { timestamp: 'now', logger: 'kafkajs', message, ...more },
  };
}

test('of what kafkajs says again and again a line comes once in half a minute, with the number of those between', () => {
  const lines: unknown[] = [];
  const say = (fields: object, message: string): unknown => lines.push([message, fields]);
  let now = 0;
  const log = logTo({ info: say, warn: say, error: say }, () => now);
  for (now of [0, 1000, 29_999, 30_000, 31_000]) {
    log(entry('Connection error', { broker: 'kafka:9092', stack: 'at Socket' }));
    log(entry('another'));
  }
  log(entry('Limiting retries for the idempotent producer may invalidate EoS guarantees'));
  const part = 'Connection';
  expect(lines).toEqual([
    ['Kafka client: Connection error', { part, broker: 'kafka:9092' }],
    ['Kafka client: another', { part }],
    ['Kafka client: Connection error', { part, broker: 'kafka:9092', repeats: 2 }],
    ['Kafka client: another', { part, repeats: 2 }],
  ]);
});
