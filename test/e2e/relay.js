/** One relay over the built files, for tests that kill and freeze it: DATABASE_URL, KAFKA_BROKERS, LEASE_MS. */
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { Lane } from '../../dist/src/outbox/lane.js';
import { Relay } from '../../dist/src/outbox/relay.js';

const leaseMs = Number(process.env.LEASE_MS);
const kafka = new Kafka({
  brokers: process.env.KAFKA_BROKERS.split(','),
  logLevel: logLevel.NOTHING,
  connectionTimeout: 1000,
  requestTimeout: leaseMs / 4,
});
const log = (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
pool.on('error', (error) => log({ error: error.message }, 'an idle connection broke'));

const relay = new Relay({
  pool,
  producer: () => new Lane(kafka, leaseMs / 2),
  lanes: 2,
  leaseMs,
  logger: { info: log, warn: log, error: log },
});
await relay.start();
process.on('SIGTERM', () => {
  void relay.stop().then(() => pool.end());
});
process.stdout.write('listening on http://nowhere: it asks, and is not asked\n');
