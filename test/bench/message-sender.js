/**
 * A process that sends messages in one of the ways that are compared. Its parent says what, hears `ready`, says `go`,
 * hears how many are sent so far, and says `stop`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import pg from 'pg';
import { append } from '../../dist/src/outbox/append.js';
import { Lane } from '../../dist/src/outbox/lane.js';
import { Relay } from '../../dist/src/outbox/relay.js';
import { insert, messageOf } from './message-rows.js';

const BATCH = 500;
const REPORT_MS = 10;
const BUCKETS = 64;

const { way, url, brokers, topic, total, keys, relays = 1, rate = 0, forMs = 0 } = JSON.parse(process.argv[2]);
const kafka = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING, connectionTimeout: 10_000 });
let sent = 0;
let isOver = false;
const commands = [];
process.on('message', (command) => commands.push(command));
const heard = async (command) => {
  while (!commands.includes(command)) await pause(1);
};
const asKafka = ({ key, payload, headers }) => ({
  key,
  value: payload,
  headers: typeof headers === 'string' ? JSON.parse(headers) : headers,
});

async function producerOf() {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  await producer.send({ topic, messages: [asKafka(messageOf(0, keys))] });
  return producer;
}

/** Batches of 500 from memory: what kafkajs itself can do. */
async function bare() {
  const producer = await producerOf();
  const all = Array.from({ length: total }, (_, number) => messageOf(number, keys));
  return {
    run: async () => {
      for (let from = 0; from < total; from += BATCH) {
        await producer.send({ topic, messages: all.slice(from, from + BATCH).map(asKafka) });
        sent += Math.min(BATCH, total - from);
      }
    },
    stop: () => producer.disconnect(),
  };
}

/** What one would write first: in order, each row sent and deleted by itself. */
async function naive() {
  const producer = await producerOf();
  const client = new pg.Client(url);
  await client.connect();
  const step = async () => {
    const { rows } = await client.query('SELECT * FROM plain_outbox ORDER BY id LIMIT 100');
    for (const row of rows) {
      await producer.send({ topic, messages: [asKafka(row)] });
      await client.query('DELETE FROM plain_outbox WHERE id = $1', [row.id]);
      sent += 1;
    }
  };
  return { run: () => loop(step), stop: () => Promise.all([producer.disconnect(), client.end()]) };
}

/** Quick, and keeps no order as soon as there are two of it. */
async function skipLocked() {
  const producer = await producerOf();
  const client = new pg.Client(url);
  await client.connect();
  const step = async () => {
    await client.query('BEGIN');
    const { rows } = await client.query(`SELECT * FROM plain_outbox ORDER BY id LIMIT ${BATCH} FOR UPDATE SKIP LOCKED`);
    if (rows.length > 0) {
      await producer.send({ topic, messages: rows.map(asKafka) });
      await client.query('DELETE FROM plain_outbox WHERE id = ANY ($1::bigint[])', [rows.map(({ id }) => id)]);
    }
    await client.query('COMMIT');
    sent += rows.length;
  };
  return { run: () => loop(step), stop: () => Promise.all([producer.disconnect(), client.end()]) };
}

async function loop(step) {
  while (!isOver && sent < total) await step();
}

async function started() {
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const warn = (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
  const relay = new Relay({ pool, producer: () => new Lane(kafka), logger: { info() {}, warn, error: warn } });
  await relay.start();
  while (relay.status.buckets.length !== BUCKETS / relays) await pause(10);
  return { pool, relay, stop: () => relay.stop().then(() => pool.end()) };
}

/** What is in the outbox. */
async function relay() {
  const { relay: own, stop, pool } = await started();
  if (relays === 1) {
    // The connection to the broker is not what is measured.
    await insert(pool, 'tercet_outbox', topic, 1, keys);
    while (own.status.tally.sent === 0) await pause(10);
  }
  const before = own.status.tally.sent;
  const run = async () => {
    own.wake();
    for (;;) {
      sent = own.status.tally.sent - before;
      if (isOver) return;
      await pause(2);
    }
  };
  return { run, stop };
}

/** One at a time, at a rate, each with the moment at which its commit began. */
async function oneByOne(once, stop) {
  const run = async () => {
    const from = performance.now();
    const pending = new Set();
    for (let number = 0; performance.now() - from < forMs; number += 1) {
      await pause(Math.max(0, from + (number * 1000) / rate - performance.now()));
      const at = performance.timeOrigin + performance.now();
      const message = messageOf(number, keys, at);
      const one = once({ ...message, topic, payload: JSON.parse(message.payload) }, message).finally(() => {
        pending.delete(one);
        sent += 1;
      });
      pending.add(one);
    }
    await Promise.all(pending);
  };
  return { run, stop };
}

async function late(isWoken) {
  const { relay: own, stop } = await started();
  const clients = new pg.Pool({ connectionString: url, max: 8 });
  const once = async ({ id, topic: to, key, payload }) => {
    await append(clients, [{ id, topic: to, key, payload }], { source: 'urn:tercet' });
    if (isWoken) own.wake();
  };
  return oneByOne(once, () => Promise.all([stop(), clients.end()]));
}

async function lateBare() {
  const producer = await producerOf();
  let last = Promise.resolve();
  const once = (_message, message) => {
    last = last.then(() => producer.send({ topic, messages: [asKafka(message)] }));
    return last;
  };
  return oneByOne(once, () => producer.disconnect());
}

const ways = {
  bare,
  naive,
  'skip locked': skipLocked,
  relay,
  'bare, one by one': lateBare,
  'relay, woken': () => late(true),
  'relay, polling': () => late(false),
};

const { run, stop } = await ways[way]();
process.send({ ready: true });
await heard('go');
const report = setInterval(() => process.send({ sent }), REPORT_MS);
const running = run().then(() => process.send({ sent, done: true }));
await heard('stop');
isOver = true;
await running;
clearInterval(report);
await stop();
process.disconnect();
