/**
 * npm run bench -- --messages [--quick]
 *
 * Messages per second from an outbox to Kafka by one relay and by two, what they write to PostgreSQL's log, and how
 * long a message takes from its commit to a consumer; and in the same run what bounds a relay, batches of 500 by bare
 * kafkajs, and the relays that one would write first.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { installOutbox } from '../../dist/src/outbox/schema.js';
import { startEmbedded } from '../../dist/src/storage/embedded.js';
import { compileSupport } from '../support/compile.js';
import { atEnd, endOf, onStage, signal, taken } from './clean-up.js';
import { insert } from './message-rows.js';
import { quiet } from './quiet.js';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 2 : 5;
const TOTAL = isQuick ? 20_000 : 50_000;
const NAIVE_TOTAL = isQuick ? 500 : 1500;
const KEYS = 1000;
const PARTITIONS = 12;
const RATES = [20, 200];
const LATE_MS = isQuick ? 3000 : 6000;
const SENDER = new URL('message-sender.js', import.meta.url);

const parts = ['debian.ts', 'kafka-jars.ts', 'kafka-broker.ts', 'kafka-topic.ts', 'server-process.ts'];
const { folder: compiled, support } = compileSupport(...parts);
atEnd(() => rmSync(compiled, { recursive: true, force: true }));
const part = (name) => import(pathToFileURL(join(support, name)).href);
const { makeTopic } = await part('kafka-topic.js');

/** KAFKA_BROKERS, or one of our own; null where there can be none. */
async function broker(folder) {
  const { KAFKA_BROKERS: given } = process.env;
  if (given) return given.split(',')[0];
  const { kafkaProgram } = await part('kafka-jars.js');
  const { startJavaBroker } = await part('kafka-broker.js');
  const program = kafkaProgram();
  if (program === null) return null;
  const { address } = await taken(
    () => startJavaBroker(program, join(folder, 'kafka')),
    (started) => started.stop(),
  );
  return address;
}

class Sender {
  sent = 0;
  #child;
  #ready;
  #done;

  constructor(what) {
    signal.throwIfAborted();
    this.#child = fork(SENDER, [JSON.stringify(what)], { execArgv: ['--max-semi-space-size=64'] });
    atEnd(() => endOf(this.#child));
    this.exited = new Promise((resolve) => this.#child.once('exit', resolve));
    const until = (isSo) =>
      new Promise((resolve, reject) => {
        this.#child.on('message', (message) => {
          this.sent = message.sent ?? this.sent;
          if (isSo(message)) resolve();
        });
        void this.exited.then((code) => reject(new Error(`${what.way} ended with ${code}`)));
      });
    this.#ready = until(({ ready }) => ready);
    this.#done = until(({ done }) => done);
    this.#done.catch(() => {});
  }

  ready() {
    return this.#ready;
  }

  done() {
    return this.#done;
  }

  tell(command) {
    this.#child.send(command);
  }

  async stop() {
    this.tell('stop');
    await this.exited;
  }
}

const results = new Map();
const note = (what, value) => {
  results.set(what, [...(results.get(what) ?? []), value]);
  const shown = Object.entries(value).map(([name, number]) => `${name} ${number.toFixed(1)}`);
  process.stderr.write(`${what}: ${shown.join(', ')}\n`);
};
const middle = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const of = (what, field = 'perSecond') => middle(results.get(what).map((value) => value[field]));

class Bench {
  constructor(url, brokers, client, kafka) {
    Object.assign(this, { url, brokers, client, kafka, admin: kafka.admin() });
  }

  topic() {
    return makeTopic(this.admin, { partitions: PARTITIONS });
  }

  /** How quickly a backlog that is committed at once is sent. */
  async drain(name, way, { total = TOTAL, keys = KEYS, relays = 1 } = {}) {
    const topic = await this.topic();
    const table = way === 'bare' ? null : way === 'relay' ? 'tercet_outbox' : 'plain_outbox';
    const what = { way, url: this.url, brokers: this.brokers, topic, total, keys, relays };
    const senders = Array.from({ length: relays }, () => new Sender(what));
    await Promise.all(senders.map((sender) => sender.ready()));
    if (table) {
      await this.client.query('BEGIN');
      await insert(this.client, table, topic, total, keys);
      await this.client.query('COMMIT');
    }
    const lsn = () => this.client.query('SELECT pg_current_wal_lsn() AS lsn').then(({ rows }) => rows[0].lsn);
    const before = await lsn();
    const from = performance.now();
    for (const sender of senders) sender.tell('go');
    const sum = () => senders.reduce((all, { sent }) => all + sent, 0);
    while (sum() < total) await new Promise((resolve) => setTimeout(resolve, 5));
    const seconds = (performance.now() - from) / 1000;
    await Promise.all(senders.map((sender) => sender.stop()));
    const { rows } = await this.client.query('SELECT $1::pg_lsn - $2::pg_lsn AS bytes', [await lsn(), before]);
    const wal = table ? Number(rows[0].bytes) / total : 0;
    note(name, { perSecond: total / seconds, wal });
    if (table) await this.client.query(`VACUUM ${table}`);
    await this.admin.deleteTopics({ topics: [topic] });
  }

  /** From before the commit to the consumer. */
  async latency(way, rate) {
    const topic = await this.topic();
    const consumer = this.kafka.consumer({ groupId: topic, maxWaitTimeInMs: 500 });
    const latencies = [];
    let assigned;
    const isAssigned = new Promise((resolve) => (assigned = resolve));
    consumer.on(consumer.events.GROUP_JOIN, assigned);
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachBatch: ({ batch }) => {
        const now = performance.timeOrigin + performance.now();
        for (const { value } of batch.messages) {
          const { at } = JSON.parse(value.toString());
          if (at > 0) latencies.push(now - at);
        }
      },
    });
    await isAssigned;
    const what = { way, url: this.url, brokers: this.brokers, topic, total: 0, keys: KEYS, rate, forMs: LATE_MS };
    const sender = new Sender(what);
    await sender.ready();
    sender.tell('go');
    await sender.done();
    while (latencies.length < sender.sent) await new Promise((resolve) => setTimeout(resolve, 20));
    await sender.stop();
    await consumer.disconnect();
    await this.admin.deleteTopics({ topics: [topic] });
    // The first second is for connections and compilers.
    const counted = latencies.slice(rate).toSorted((a, b) => a - b);
    const at = (share) => counted[Math.min(counted.length - 1, Math.floor(counted.length * share))];
    note(`${way}, ${rate}/s`, { p50: at(0.5), p99: at(0.99) });
  }
}

const percent = (value) => `${(value * 100).toFixed(0)} %`;

function drainTable() {
  const lines = [
    '| 1000 keys | messages/s | of bare batches | times naive | WAL bytes/message |',
    '| --- | ---: | ---: | ---: | ---: |',
  ];
  for (const what of ['bare', 'relay', 'two relays', 'skip locked', 'naive']) {
    const bare = what === 'bare';
    lines.push(
      `| ${what} | ${of(what).toFixed(0)} | ${bare ? '' : percent(of(what) / of('bare'))} | ` +
        `${(of(what) / of('naive')).toFixed(1)} | ${bare ? '' : of(what, 'wal').toFixed(0)} |`,
    );
  }
  lines.push(
    '',
    '| one key | messages/s | of bare batches | WAL bytes/message |',
    '| --- | ---: | ---: | ---: |',
    `| bare | ${of('bare, one key').toFixed(0)} | | |`,
    `| relay | ${of('relay, one key').toFixed(0)} | ${percent(of('relay, one key') / of('bare, one key'))} | ${of('relay, one key', 'wal').toFixed(0)} |`,
  );
  return lines.join('\n');
}

const LATE_WAYS = ['bare, one by one', 'relay, woken', 'relay, polling'];

function latencyTable() {
  const lines = ['| one by one | a second | p50 ms | p99 ms |', '| --- | ---: | ---: | ---: |'];
  for (const rate of RATES) {
    for (const way of LATE_WAYS) {
      const what = `${way}, ${rate}/s`;
      lines.push(`| ${way} | ${rate} | ${of(what, 'p50').toFixed(1)} | ${of(what, 'p99').toFixed(1)} |`);
    }
  }
  return lines.join('\n');
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-bench-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const brokers = await broker(folder);
  if (brokers === null) return;
  const server = await taken(
    () => startEmbedded(join(folder, 'postgres'), quiet, { max_connections: '100' }),
    (started) => started.stop(),
  );
  const client = new pg.Client(server.url);
  await client.connect();
  atEnd(() => client.end());
  await installOutbox(client);
  await client.query(
    'CREATE TABLE plain_outbox (id bigserial PRIMARY KEY, topic text, key text, payload text, headers text)',
  );
  const kafka = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING, connectionTimeout: 10_000 });
  const bench = new Bench(server.url, brokers, client, kafka);
  await bench.admin.connect();
  atEnd(() => bench.admin.disconnect());
  const version = (await client.query('SHOW server_version')).rows[0].server_version;
  process.stdout.write(
    `${cpus().length} × ${cpus()[0].model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}; PostgreSQL ${version}, ` +
      `fsync and synchronous_commit on; one Kafka broker; all share the cores; what is compared takes turns, the median of ${ROUNDS} rounds of ${TOTAL} messages\n\n`,
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    await bench.drain('bare', 'bare');
    await bench.drain('relay', 'relay');
    await bench.drain('two relays', 'relay', { relays: 2 });
    await bench.drain('skip locked', 'skip locked');
    await bench.drain('naive', 'naive', { total: NAIVE_TOTAL });
    await bench.drain('bare, one key', 'bare', { keys: 1 });
    await bench.drain('relay, one key', 'relay', { keys: 1 });
  }
  process.stdout.write(`${drainTable()}\n\n`);
  for (let round = 0; round < Math.min(ROUNDS, 3); round += 1) {
    for (const rate of RATES) for (const way of LATE_WAYS) await bench.latency(way, rate);
  }
  process.stdout.write(`${latencyTable()}\n`);
}

await onStage(main);
