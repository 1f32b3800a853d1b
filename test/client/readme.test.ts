/** The snippets of src/client/README.md and docs/fence.md: they compile as printed, and those of a service run. */
import { Module } from '@nestjs/common';
import type { CanActivate, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';
import { register } from 'prom-client';
import { guard, installFence, installLocks, TercetClient } from '../../src/client/index.js';
import type { Executor, Locks } from '../../src/client/index.js';
import type { Consumption } from '../../src/client/kafka/index.js';
import { TestNode } from '../http/node.js';
import { clientOf, kafkaBrokers, withKafka } from '../support/kafka.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { redisUrl, withRedis } from '../support/redis.js';
import { ready, until } from './until.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const { DATABASE_URL, KAFKA_BROKERS, TERCET_URL } = process.env;

let folder: string;
let compiled: { code: number; output: string };
let node: TestNode;
let database: TestDatabase;
let pool: pg.Pool;

/** The blocks of TypeScript, by the file that their first line names. */
async function snippets(document: string): Promise<[string, string][]> {
  const text = await readFile(join(root, document), 'utf8');
  return [...text.matchAll(/^```ts\n([^]*?)\n```$/gm)].map(([, code = ''], at) => {
    const name = /^\/\/ ([a-z.]+\.ts)/.exec(code)?.[1] ?? `${document.replaceAll(/\W/g, '-')}-${at}.ts`;
    return [name, code];
  });
}

/** Runs Node until it ends. */
function run(args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((done) => {
    execFile(process.execPath, args, (error, stdout, stderr) => done({ code: error ? 1 : 0, output: stdout + stderr }));
  });
}

function imported<T>(name: string): Promise<T> {
  return import(pathToFileURL(join(folder, 'all', relative(root, folder), name)).href) as Promise<T>;
}

beforeAll(async () => {
  // Inside node_modules, so that packages are found from there.
  const cache = join(root, 'node_modules/.cache/tercet');
  await mkdir(cache, { recursive: true });
  folder = await mkdtemp(join(cache, 'readme-'));
  const files = [...(await snippets('src/client/README.md')), ...(await snippets('docs/fence.md'))];
  await Promise.all(files.map(([name, code]) => writeFile(join(folder, name), code)));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  const paths = {
    '@tercet/client': [join(root, 'src/client/index.ts')],
    '@tercet/client/config': [join(root, 'src/client/config/index.ts')],
    '@tercet/client/kafka': [join(root, 'src/client/kafka/index.ts')],
    '@tercet/client/nest/kafka': [join(root, 'src/client/nest/kafka/index.ts')],
    '@tercet/client/nest': [join(root, 'src/client/nest/index.ts')],
    '@tercet/client/redis': [join(root, 'src/client/redis/index.ts')],
    '@tercet/client/testing': [join(root, 'src/client/testing/index.ts')],
  };
  const emit = { noEmit: false, sourceMap: false, declaration: false, rootDir: root, outDir: 'all' };
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { ...emit, types: ['node'], paths },
    files: files.map(([name]) => name),
    include: [],
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  compiled = await run([join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);

  node = await TestNode.start();
  database = await createDatabase();
  process.env['DATABASE_URL'] = database.url;
  process.env['TERCET_URL'] = node.url;
  pool = new pg.Pool({ connectionString: database.url }).on('error', () => undefined);
  await pool.query(`CREATE TABLE wallet (id text PRIMARY KEY, balance integer NOT NULL, held integer NOT NULL);
                    INSERT INTO wallet VALUES ('alice', 1000, 0)`);
}, 120_000);

afterAll(async () => {
  for (const [name, value] of Object.entries({ DATABASE_URL, KAFKA_BROKERS, TERCET_URL })) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  await pool.end();
  await database.drop();
  await node.stop();
  await rm(folder, { recursive: true, force: true });
});

test('every snippet compiles as it is printed', () => {
  expect(compiled).toEqual({ code: 0, output: '' });
});

interface Begin {
  placeOrder: (orderId: string, customer: string, amount: number) => Promise<string>;
}
interface Purchase {
  buy: (gid: string, input: { customer: string; sku: string; amount: number }) => Promise<string>;
}
interface Depositing {
  payIn: (customer: string, amount: number) => Promise<void>;
}
interface PayingInterest {
  pay: (customer: string, percent: number) => Promise<number>;
}
interface Checkout {
  checkout: (orderId: string, customer: string) => Promise<string>;
}

async function balance(): Promise<{ balance: number; held: number } | undefined> {
  const { rows } = await pool.query<{ balance: number; held: number }>('SELECT balance, held FROM wallet');
  return rows[0];
}

/** With one connection, as it has to be. */
async function installed(install: (executor: Executor) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  await install(client).finally(() => client.release());
}

/** What a customer of the service sees, whatever it is made with. */
async function buy(prefix: string): Promise<void> {
  const { placeOrder } = await imported<Begin>('begin.js');
  const { checkout } = await imported<Checkout>('checkout.js');
  const before = (await balance())?.balance ?? 0;
  expect(await placeOrder(`${prefix}-1`, 'alice', 100)).toBe('placed');
  expect(await placeOrder(`${prefix}-1`, 'alice', 100)).toBe('placed');
  expect(await placeOrder(`${prefix}-2`, 'alice', 5000)).toBe('refused: not enough money');
  await new TercetClient().wait(`${prefix}-1`);
  expect(await balance()).toEqual({ balance: before - 100, held: 0 });
  await pool.query('UPDATE wallet SET balance = 299');
  expect(await checkout(`${prefix}-3`, 'alice')).toBe('refused: not enough money');
  expect(await balance()).toEqual({ balance: 299, held: 0 });
  await pool.query('UPDATE wallet SET balance = 1000');
  expect(await checkout(`${prefix}-4`, 'alice')).toBe('committed: 300 paid');
  expect(await balance()).toEqual({ balance: 700, held: 0 });
}

test('the service with Nest takes part, with its guard', async () => {
  const { AppModule } = await imported<{ AppModule: new () => object }>('app.module.js');
  const { AuthGuard } = await imported<{ AuthGuard: new () => CanActivate }>('auth.guard.js');
  const app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger: false, abortOnError: false });
  try {
    app.useGlobalGuards(new AuthGuard());
    await app.listen(0, '127.0.0.1');
    await ready(`${await app.getUrl()}/tercet/ready`);
    await buy('nest');
  } finally {
    await app.close();
  }
});

test('the saga is bought, or refused and undone', async () => {
  const { AppModule } = await imported<{ AppModule: Type }>('app.module.js');
  const { buy } = await imported<Purchase>('purchase.js');
  await pool.query(`UPDATE wallet SET balance = 1000, held = 0;
                    CREATE TABLE purchase (id text PRIMARY KEY, customer text, sku text);
                    CREATE TABLE parcel (purchase text PRIMARY KEY, receipt text)`);
  class Shop {}
  const providers = Object.values(await imported<Record<string, Type>>('shop.components.js'));
  Module({ imports: [AppModule], providers })(Shop);
  const app = await NestFactory.create(Shop, new FastifyAdapter(), { logger: false, abortOnError: false });
  try {
    await app.listen(0, '127.0.0.1');
    await ready(`${await app.getUrl()}/tercet/ready`);
    const lamp = { customer: 'alice', sku: 'lamp', amount: 600 };
    expect(await buy('saga-1', lamp)).toBe('bought: receipt of saga-1');
    expect(await buy('saga-1', lamp)).toBe('bought: receipt of saga-1');
    expect(await buy('saga-2', lamp)).toBe('refused: not enough money');
    for (const gid of ['saga-1', 'saga-2']) await new TercetClient().wait(gid);
    expect(await balance()).toEqual({ balance: 400, held: 0 });
    expect((await pool.query('SELECT * FROM parcel')).rows).toEqual([
      { purchase: 'saga-1', receipt: 'receipt of saga-1' },
    ]);
    expect((await pool.query('SELECT id FROM purchase')).rows).toEqual([{ id: 'saga-1' }]);
  } finally {
    await app.close();
  }
});

test('money is paid in, and its mail arrives', async () => {
  const { AppModule } = await imported<{ AppModule: Type }>('app.module.js');
  const { Deposits } = await imported<{ Deposits: Type<Depositing> }>('deposits.js');
  const { MailComponent } = await imported<{ MailComponent: Type }>('mail.component.js');
  await pool.query(`UPDATE wallet SET balance = 1000, held = 0;
                    CREATE TABLE mail (id text PRIMARY KEY, customer text, text text)`);
  class Bank {}
  Module({ imports: [AppModule], providers: [Deposits] })(Bank);
  class Post {}
  Module({ imports: [AppModule], providers: [MailComponent] })(Post);
  const [bank, post] = await Promise.all(
    [Bank, Post].map((app) => NestFactory.create(app, new FastifyAdapter(), { logger: false, abortOnError: false })),
  );
  try {
    for (const app of [bank, post]) {
      await app?.listen(0, '127.0.0.1');
      await ready(`${await app?.getUrl()}/tercet/ready`);
    }
    await bank?.get(Deposits).payIn('alice', 5);
    const mails = async () => (await pool.query<object>('SELECT customer, text FROM mail')).rows;
    await until('the mail is there', async () => (await mails()).length > 0);
    expect([await mails(), await balance()]).toEqual([
      [{ customer: 'alice', text: '5 came in' }],
      { balance: 1005, held: 0 },
    ]);
  } finally {
    await bank?.close();
    await post?.close();
  }
});

test('interest is paid by one at a time, and the locks are closed with the application', async () => {
  const { WalletLocks } = await imported<{ WalletLocks: Type<Locks<'correctness'>> }>('wallet.locks.js');
  const { Interest } = await imported<{ Interest: Type<PayingInterest> }>('interest.js');
  const { AppModule } = await imported<{ AppModule: Type }>('app.module.js');
  await installed(installLocks);
  await pool.query('UPDATE wallet SET balance = 1000, held = 0');
  class Bank {}
  Module({ imports: [AppModule], providers: [WalletLocks, Interest] })(Bank);
  const app = await NestFactory.create(Bank, new FastifyAdapter(), { logger: false, abortOnError: false });
  await app.init();
  const [interest, locks] = [app.get(Interest), app.get(WalletLocks)];
  const paid = await Promise.all([10, 10, 10].map((percent) => interest.pay('alice', percent)));
  expect(paid).toEqual([1100, 1210, 1331]);
  expect((await balance())?.balance).toBe(1331);
  await app.close();
  await expect(locks.acquire('interest:alice')).rejects.toMatchObject({ code: 'TERCET_LOCK_UNAVAILABLE' });
});

withRedis()('locks in Redis', () => {
  const { REDIS_URL } = process.env;
  beforeAll(async () => {
    process.env['REDIS_URL'] = await redisUrl();
  });
  afterAll(() => {
    if (REDIS_URL === undefined) delete process.env['REDIS_URL'];
    else process.env['REDIS_URL'] = REDIS_URL;
  });

  test('are had, and where they are fenced their token guards', async () => {
    const own = await imported<{ caches: Locks; reports: Locks<'correctness'>; pool: pg.Pool }>('report.locks.js');
    await installed(installLocks);
    const name = `report-${process.pid}`;
    expect(await own.caches.run(name, {}, ({ token }) => Promise.resolve(token > 0))).toBe(true);
    const guarded = await own.reports.run(name, {}, async (held) => {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await guard(client, held);
        await client.query('COMMIT');
        return 'guarded';
      } finally {
        client.release();
      }
    });
    expect(guarded).toBe('guarded');
    await Promise.all([own.caches.close(), own.reports.close()]);
    await own.pool.end();
  });
});

test('the service with pg alone takes part', async () => {
  const { start } = await imported<{ start: () => Promise<void> }>('wallet.start.js');
  const own = await imported<{ server: Server; pool: pg.Pool }>('wallet.server.js');
  try {
    await start();
    await buy('plain');
  } finally {
    own.server.closeAllConnections();
    own.server.close();
    await own.pool.end();
  }
});

test('the test of the saga is one that passes, in a Jest of its own', async () => {
  // What was compiled is the package here.
  const client = {
    name: '@tercet/client',
    type: 'module',
    exports: { '.': './index.js', './testing': './testing/index.js' },
  };
  await writeFile(join(folder, 'all/src/client/package.json'), JSON.stringify(client));
  const home = join(folder, 'all', relative(root, folder));
  await mkdir(join(home, 'node_modules/@tercet'), { recursive: true });
  await symlink(join(folder, 'all/src/client'), join(home, 'node_modules/@tercet/client'));
  // A slow machine fails none.
  const config = { testPathIgnorePatterns: [], transform: {}, haste: { retainAllFiles: true }, testTimeout: 50_000 };
  const args = ['--experimental-vm-modules', '--no-warnings', join(root, 'node_modules/jest/bin/jest.js')];
  args.push('--rootDir', home, '--config', JSON.stringify(config), '--detectOpenHandles', 'placing');
  const { code, output } = await run(args);
  expect(output).toMatch(/^Tests: +3 passed, 3 total$/m);
  expect(output).not.toContain('open handle');
  expect(code).toBe(0);
});

test('the purge forgets all that is old, however much it is, and nothing else', async () => {
  const { purgeFence } = await imported<{ purgeFence: (executor: Executor) => Promise<number> }>('purge.js');
  await installed(installFence);
  await pool.query(`DELETE FROM tercet_fence`);
  await pool.query(`INSERT INTO tercet_fence (gid, branch_id, op, began_at)
                    SELECT 'old-' || n, 'a', 'try', now() - interval '61 days' FROM generate_series(1, 10001) n
                    UNION ALL SELECT 'young', 'a', 'try', now() - interval '59 days'`);
  expect(await purgeFence(pool)).toBe(10_001);
  expect((await pool.query('SELECT gid FROM tercet_fence')).rows).toEqual([{ gid: 'young' }]);
});

withKafka()('the consumer of messages', () => {
  let brokers: string;
  let sent = 0;

  /** Paul earns points, and nobody earns some that go to the dead letters. */
  async function earn(points: number): Promise<void> {
    const producer = clientOf(brokers).producer();
    await producer.connect();
    const headers = { ce_id: `readme-${process.pid}-${(sent += 1)}` };
    const messages = ['nobody', 'paul'].map((customer) => {
      const value = JSON.stringify({ customer, points });
      return { key: customer, value, headers: { ...headers, ce_source: `urn:${customer}` } };
    });
    await producer.send({ topic: 'order-shipped', messages: [...messages, ...messages] });
    await producer.disconnect();
  }

  async function has(points: number): Promise<void> {
    const read = async (): Promise<unknown> =>
      (await pool.query<{ points: number }>('SELECT points FROM account')).rows;
    await until(`paul has ${points} points`, async () => JSON.stringify(await read()) === `[{"points":${points}}]`);
  }

  beforeAll(async () => {
    brokers = await kafkaBrokers();
    process.env['KAFKA_BROKERS'] = brokers;
    const admin = clientOf(brokers).admin();
    await admin.connect();
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic: 'order-shipped', numPartitions: 1 }] });
    await admin.disconnect();
    await pool.query(`CREATE TABLE account (id text PRIMARY KEY, points integer NOT NULL);
                      INSERT INTO account VALUES ('paul', 0)`);
  });

  test('as a function takes each message once', async () => {
    const { pool: own, start } = await imported<{ pool: pg.Pool; start: () => Promise<Consumption> }>(
      'points.consumer.js',
    );
    const points = await start();
    try {
      await earn(3);
      await has(3);
      await until('it has caught up', async () => (await points.lag())[0]?.messages === 0);
    } finally {
      await points.stop();
      await own.end();
    }
    await has(3);
    const { purgeInbox } = await imported<{ purgeInbox: (executor: Executor) => Promise<number> }>('purge.inbox.js');
    await pool.query(`UPDATE tercet_inbox SET processed_at = now() - interval '15 days'`);
    expect(await purgeInbox(pool)).toBe(1);
    await pool.query('DROP TABLE tercet_inbox, tercet_inbox_failed');
  });

  test('with Nest takes each message once, and its lag is a metric', async () => {
    const { main } = await imported<{ main: () => Promise<INestApplication> }>('points.main.js');
    const app = await main();
    try {
      await earn(4);
      await has(7);
      const caughtUp = 'consumer_lag_messages{group="points",topic="order-shipped",partition="0"} 0';
      await until('the metric says so', async () => (await register.metrics()).includes(caughtUp));
    } finally {
      await app.close();
    }
    await has(7);
  });
});
