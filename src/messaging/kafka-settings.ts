/** Where Kafka is, from the environment. */

export interface KafkaSettings {
  /** `host:port` each. */
  readonly brokers: readonly string[];
  readonly ssl: boolean;
  /** Null: nobody is asked who we are. */
  readonly sasl: Sasl | null;
}

interface Sasl {
  readonly mechanism: (typeof MECHANISMS)[number];
  readonly username: string;
  readonly password: string;
}

const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
const BROKER = /^[A-Za-z0-9._-]+:([0-9]{1,5})$/;

/**
 * Null where KAFKA_BROKERS is not given.
 *
 * @throws Error whose message names the setting, and never shows the password
 */
export function kafkaSettings(value: (name: string) => string | undefined): KafkaSettings | null {
  const text = value('KAFKA_BROKERS');
  if (text === undefined) return null;
  const brokers = text.split(',').map((entry) => entry.trim());
  for (const broker of brokers) {
    const port = Number(BROKER.exec(broker)?.[1]);
    if (port >= 1 && port <= 65_535) continue;
    throw new Error(
      `KAFKA_BROKERS has '${broker}'; it must be HOST:PORT, with commas between several, like kafka-1:9092,kafka-2:9092`,
    );
  }
  const ssl = value('KAFKA_SSL') ?? 'false';
  if (ssl !== 'true' && ssl !== 'false') throw new Error(`KAFKA_SSL is '${ssl}'; it must be 'true' or 'false'`);
  return { brokers, ssl: ssl === 'true', sasl: sasl(value) };
}

function sasl(value: (name: string) => string | undefined): Sasl | null {
  const names = ['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'];
  const [given, username, password] = names.map(value);
  const missing = names.filter((name) => value(name) === undefined);
  if (missing.length === names.length) return null;
  if (given === undefined || username === undefined || password === undefined) {
    throw new Error(`${missing.join(' and ')} must be set too: ${names.join(', ')} belong together`);
  }
  const mechanism = MECHANISMS.find((name) => name === given.toLowerCase());
  if (mechanism === undefined) {
    throw new Error(`KAFKA_SASL_MECHANISM is '${given}'; it must be ${MECHANISMS.join(', ')}`);
  }
  return { mechanism, username, password };
}
