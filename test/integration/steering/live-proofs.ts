/** For each key that counts at once, or at the next start: what of a running node is another when a release says so. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import pg from 'pg';
import { startNode } from '../../../src/main.js';
import type { RunningNode } from '../../../src/main.js';
import { putToUse } from '../../../src/node-config.js';
import { append } from '../../../src/outbox/append.js';
import { RecordsRefused } from '../../../src/outbox/producer.js';
import { Relay } from '../../../src/outbox/relay.js';
import type { Json } from '../../../src/protocol/words.js';
import { readSettings } from '../../../src/settings.js';
import { OUTBOX } from '../../../src/storage/outbox.js';
import { Retention } from '../../../src/storage/retention.js';
import { Locks } from '../../../src/locks/locks.js';
import { PostgresLocks } from '../../../src/locks/postgres.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { SystemClock } from '../../../src/system-clock.js';
import { HttpParticipants } from '../../../src/participants/http.js';
import { PoolSender } from '../../../src/participants/sender.js';
import { AllowList } from '../../../src/participants/allow-list.js';
import { until } from '../../client/until.js';
import { ended, transaction } from '../../contract/sample.js';
import { begin, HERE, TestNode } from '../../http/node.js';
import { json, Service } from '../../participants/service.js';
import { MemoryBroker } from '../outbox/broker.js';
import { Scrape } from '../../support/prometheus.js';
import { Steerage } from './follower.js';
import { release } from './releases.js';

const quiet = { info() {}, warn() {}, error() {} };

/** A node with a component `account`, whose service answers when the test says so. */
async function withNode(prove: (node: TestNode, say: (content: Json) => Promise<void>) => Promise<void>, env = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'tercet-steering-'));
  const node = await TestNode.start({ TERCET_DATA_DIR: dataDir, TERCET_LEASE_MS: '4000', ...env });
  const say = async (content: Json): Promise<void> => {
    const number = await release(node.sql.bind(node), content);
    await until(`release ${number} is in use`, async () => {
      return (await Scrape.of(node.url)).value('tercet_config_release{which="applied"}') === number;
    });
  };
  try {
    await node.component('account');
    await prove(node, say);
  } finally {
    node.participant.answer = json({});
    await node.stop();
    await rm(dataDir, { recursive: true });
  }
}

const begun = (node: TestNode, gid: string) => node.post('/v1/transactions', begin({ gid, wait: 'accepted' }));
const settled = async (node: TestNode, gid: string): Promise<void> => {
  const { body } = await node.get(`/v1/transactions/${gid}?wait=settled&waitMs=20000`);
  if (body.status !== 'committed') throw new Error(`${gid} is ${body.status}`);
};

/** By a database that knows what time it will be. */
class InTenDays extends Retention {
  protected override async now(): Promise<number> {
    return Date.now() + 10 * 86_400_000;
  }
}

/** Messages to a relay that a node tunes, and what comes of them. */
async function withRelay(
  prove: (
    broker: MemoryBroker,
    send: (count: number) => Promise<void>,
    say: (content: Json) => Promise<void>,
    relay: Relay,
  ) => Promise<void>,
): Promise<void> {
  const steerage = await Steerage.create();
  const pool = new pg.Pool({ connectionString: steerage.url });
  const broker = new MemoryBroker();
  const relay = new Relay({ pool, producer: broker.producer, prefix: OUTBOX, leaseMs: 4000 });
  const participants = new HttpParticipants(
    new PoolSender(new AllowList('127.0.0.0/8'), new SystemClock()),
    new SystemClock(),
  );
  const components = { get: () => undefined, find: async () => undefined };
  const { config } = await steerage.engine('north');
  putToUse(config, { logger: quiet, participants, components, relay });
  await relay.start();
  const send = async (count: number): Promise<void> => {
    const messages = Array.from({ length: count }, (_, n) => ({
      topic: 'paid',
      key: `k${n % 2}`,
      payload: 'x'.repeat(500),
    }));
    await append(pool, messages, { source: 'urn:test', prefix: OUTBOX });
    relay.wake();
  };
  const say = async (content: Json): Promise<void> => {
    const number = await release(steerage.sql, content);
    await until('it is in use', async () => config.steering.inForce.release === number);
  };
  try {
    await prove(broker, send, say, relay);
  } finally {
    broker.end();
    await relay.stop();
    await participants.close();
    await pool.end();
    await steerage.end();
  }
}

async function batchesAreSmaller(content: Json): Promise<void> {
  await withRelay(async (broker, send, say) => {
    const largest = (from: number): number => Math.max(...broker.batches.slice(from).map(({ length }) => length));
    await send(20);
    await until('all are sent', async () => broker.arrived().length === 20);
    if (largest(0) < 4) throw new Error('there was no large batch to begin with');
    const before = broker.batches.length;
    await say(content);
    await send(20);
    await until('all are sent again', async () => broker.arrived().length === 40);
    if (largest(before) > 2) throw new Error(`a batch has ${largest(before)} messages`);
  });
}

/** @returns after how many seconds it may be asked for again */
async function refused(node: TestNode, path: string, body: object, code: string): Promise<number> {
  const answer = await node.send('POST', path, body);
  if (answer.body.code !== code) throw new Error(`it is ${answer.status} ${answer.body.code}, and not ${code}`);
  return Number(answer.headers.get('retry-after'));
}

/** Connections to the log that are at work while more are wanted than there are. */
async function connectionsInUse(node: TestNode): Promise<number> {
  const locker = new pg.Client({ connectionString: node.databaseUrl });
  await locker.connect();
  await locker.query('BEGIN; LOCK TABLE tercet.transaction IN ACCESS EXCLUSIVE MODE');
  const asked = Array.from({ length: 12 }, () => node.get('/v1/transactions/none'));
  let used = 0;
  await until('more are wanted than there are', async () => {
    const scrape = await Scrape.of(node.url);
    used = scrape.value('tercet_database_connections{lane="log",state="used"}') ?? 0;
    return (scrape.value('tercet_database_waiting{lane="log"}') ?? 0) > 0;
  });
  await locker.end();
  await Promise.all(asked);
  return used;
}

export const PROOFS: Readonly<Record<string, () => Promise<void>>> = {
  'log.level': async () => {
    const steerage = await Steerage.create();
    const logger = { ...quiet, level: 'info' };
    const env = { DATABASE_URL: steerage.url, ...HERE, TERCET_DATA_DIR: steerage.dataDir };
    let node: RunningNode | null = null;
    try {
      node = await startNode(readSettings({ ...env, TERCET_LOG_LEVEL: 'error' }), logger);
      await until('it is as its setting says', async () => logger.level === 'error');
      await release(steerage.sql, { log: { level: 'warn' } });
      await until('it is as the release says', async () => logger.level === 'warn');
    } finally {
      await node?.stop();
      await steerage.end();
    }
  },

  'limits.unfinished': () =>
    withNode(async (node, say) => {
      const go = node.hold('try');
      await begun(node, 'a');
      await begun(node, 'b');
      await say({ limits: { unfinished: 2 } });
      await refused(node, '/v1/transactions', begin({ gid: 'c' }), 'TERCET_TRANSACTIONS_TOO_MANY');
      go();
    }),

  'limits.requests': () =>
    withNode(async (node, say) => {
      const go = node.hold('try');
      await begun(node, 'a');
      const waiting = settled(node, 'a');
      await say({ limits: { requests: 1 } });
      await refused(node, '/v1/transactions', begin(), 'TERCET_NOT_READY');
      go();
      await waiting;
    }),

  'limits.beginsPerSecond': () =>
    withNode(async (node, say) => {
      await begun(node, 'a');
      await begun(node, 'b');
      await say({ limits: { beginsPerSecond: 0.1 } });
      await begun(node, 'c');
      const afterS = await refused(node, '/v1/transactions', begin({ gid: 'd' }), 'TERCET_BEGINS_TOO_FAST');
      // One in ten seconds, some of which have passed.
      if (!(afterS > 1 && afterS <= 10)) throw new Error(`it may be asked for again after ${afterS} s`);
      // One that is recorded is no begin.
      if ((await begun(node, 'a')).status > 202) throw new Error('what is recorded was refused');
      await say({ limits: { beginsPerSecond: null } });
      for (const gid of ['d', 'e']) if ((await begun(node, gid)).status > 202) throw new Error('it is limited still');
    }),

  'recovery.batch': async () => {
    const steerage = await Steerage.create();
    const spied = jest.spyOn(PostgresLog.prototype, 'takeOver');
    const last = (): number | undefined => spied.mock.lastCall?.[1];
    try {
      await steerage.engine('north', undefined, 1000);
      await until('it takes over', async () => last() === 200);
      await release(steerage.sql, { recovery: { batch: 3 } });
      await until('it takes over less at a time', async () => last() === 3);
    } finally {
      spied.mockRestore();
      await steerage.end();
    }
  },

  'relay.rows': () => batchesAreSmaller({ relay: { rows: 2 } }),
  'relay.bytes': () => batchesAreSmaller({ relay: { bytes: 2000 } }),

  deadLetters: () =>
    withRelay(async (broker, send, say, relay) => {
      broker.refusal = () => new RecordsRefused('too large');
      await send(1);
      await until('it waits', async () => relay.status.blocked.length === 1);
      await say({ deadLetters: 'skip' });
      await until('it is dead', async () => relay.status.tally.dead === 1);
    }),

  'retention.days': async () => {
    const steerage = await Steerage.create();
    const { config } = await steerage.engine('north');
    const log = new PostgresLog({ url: steerage.url, leaseMs: 4000 }, quiet);
    const pool = new pg.Pool({ connectionString: steerage.url });
    const locks = new Locks(new PostgresLocks({ pool, table: 'tercet.lock' }));
    const days = (): number => config.steering.values['retention.days'];
    const retention = new InTenDays({ url: steerage.url, leaseMs: 4000, days }, locks, new SystemClock(), quiet);
    try {
      const member = await log.join('south', 60_000);
      const { held } = await log.insert(member, transaction({ gid: 'old', beganAt: Date.now() }), 'a'.repeat(64));
      await log.save(held, { ...ended(held.tx), endedAt: Date.now() }, []);
      await retention.run();
      if ((await log.get('old')) === null) throw new Error('it is gone after ten days of thirty');
      const number = await release(steerage.sql, { retention: { days: 5 } });
      await until('it is in use', async () => config.steering.inForce.release === number);
      await retention.run();
      if ((await log.get('old')) !== null) throw new Error('it is there after ten days of five');
    } finally {
      await log.close();
      await locks.close();
      await pool.end();
      await steerage.end();
    }
  },

  'alerts.ageMs': async () => {
    const receiver = await Service.start();
    const env = { TERCET_ALERT_URL: receiver.url, TERCET_ALERT_AGE_MS: '10000' };
    const limits = (): unknown[] =>
      receiver.asked.map(({ text }) => (JSON.parse(text) as { limitMs?: number }).limitMs);
    await withNode(async (node, say) => {
      await say({ alerts: { ageMs: 1000 } });
      // Open ones have until their deadline.
      const go = node.hold('confirm');
      await begun(node, 'a');
      await until('it is told of', async () => limits().includes(1000));
      go();
    }, env);
    await receiver.stop();
  },

  'components.NAME.paused': () =>
    withNode(async (node, say) => {
      await say({ components: { account: { paused: true } } });
      await begun(node, 'a');
      await until('the timeline says so', async () => {
        const { body } = await node.get<{ events: { kind: string; detail?: string }[] }>('/v1/transactions/a/timeline');
        return body.events.some(
          ({ kind, detail }) => kind === 'paused' && /account is paused by release 1/.test(detail ?? ''),
        );
      });
      if (node.participant.asked.length > 0) throw new Error('it was called');
      await say({ components: { account: { paused: false } } });
      await settled(node, 'a');
    }),

  'components.NAME.concurrency': () =>
    withNode(async (node, say) => {
      const go = node.hold('try');
      await say({ components: { account: { concurrency: 1 } } });
      await begun(node, 'a');
      await begun(node, 'b');
      await node.participant.wasAsked(1);
      await say({ limits: { requests: 100 }, components: { account: { concurrency: 1 } } });
      if (node.participant.asked.length !== 1) throw new Error('two are called at a time');
      // Who waits in line goes on by the new limit, though nobody comes behind him.
      await say({});
      await node.participant.wasAsked(2);
      go();
      for (const gid of ['a', 'b']) await settled(node, gid);
    }),

  'components.NAME.callsPerSecond': () =>
    withNode(async (node, say) => {
      await say({ components: { account: { callsPerSecond: 0.1 } } });
      await begun(node, 'a');
      await begun(node, 'b');
      await node.participant.wasAsked(1);
      await say({ limits: { requests: 100 }, components: { account: { callsPerSecond: 0.1 } } });
      if (node.participant.asked.length !== 1) throw new Error('two are called in a second');
      await say({ components: { account: { callsPerSecond: null } } });
      for (const gid of ['a', 'b']) await settled(node, gid);
    }),

  'database.connections': () =>
    withNode(async (node, say) => {
      await say({ database: { connections: 3 } });
      const before = await connectionsInUse(node);
      if (before !== 8) throw new Error(`a running node uses ${before}`);
      await until('it says so', async () => {
        const [row] = await node.sql<{ namespaces: string }>('SELECT namespaces FROM tercet.config_report');
        return row?.namespaces.includes('applies at the next start: database.connections') === true;
      });
      const restarted = await node.beside({ TERCET_LEASE_MS: '4000' });
      const after = await connectionsInUse(restarted);
      await restarted.drain();
      if (after !== 3) throw new Error(`a node that was started after it uses ${after}`);
    }),
};
