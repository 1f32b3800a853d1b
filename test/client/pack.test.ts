/** The package as it is published, in an empty project: small, alone, and complete. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { jest } from '@jest/globals';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const tsc = join(root, 'node_modules/typescript/bin/tsc');
const MAX_BYTES = 3 * 1024 * 1024;
const TIMEOUT_MS = 120_000;

// Each test starts programs, tsc among them.
jest.setTimeout(TIMEOUT_MS);

interface Ended {
  readonly code: number;
  /** Both streams. */
  readonly output: string;
}

let folder: string;
let project: string;
let packed: string[];

/** Runs a program of the project until it ends. */
function run(program: string, args: string[], cwd: string): Promise<Ended> {
  return new Promise((ended) => {
    execFile(program, args, { cwd, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      ended({ code: error ? 1 : 0, output: `${stdout}${stderr}${error && !stderr ? error.message : ''}` });
    });
  });
}

async function must(what: string, program: string, args: string[], cwd: string): Promise<string> {
  const { code, output } = await run(program, args, cwd);
  if (code !== 0) throw new Error(`${what} failed:\n${output}`);
  return output;
}

/** Runs a module in the project. */
async function module(text: string): Promise<Ended> {
  await writeFile(join(project, 'main.mjs'), text);
  return run(process.execPath, ['main.mjs'], project);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tercet-pack-'));
  const source = join(root, 'src/client');
  const built = join(folder, 'package');
  project = join(folder, 'project');
  await Promise.all([mkdir(built), mkdir(project)]);
  await must('the build', tsc, ['-p', source, '--outDir', join(built, 'dist')], root);
  for (const file of ['package.json', 'README.md']) await cp(join(source, file), join(built, file));
  const [{ filename, files }] = JSON.parse(
    await must('npm pack', 'npm', ['pack', '--json', '--pack-destination', folder, '--loglevel=error'], built),
  ) as [{ filename: string; files: { path: string }[] }];
  packed = files.map(({ path }) => path);
  await writeFile(join(project, 'package.json'), '{"name":"empty","private":true,"type":"module"}');
  await must(
    'npm install of the package (it needs the registry of the npm configuration, or its cache)',
    'npm',
    ['install', '--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=1', join(folder, filename)],
    project,
  );
}, 2 * TIMEOUT_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

test('it holds the compiled client, the words of the wire, the outbox, locks, ids, the configuration, the engine for the test kit, its README, and nothing else', () => {
  const rest = packed.filter(
    (path) => !/^dist\/(client|protocol|domain|engine|outbox|ids|locks|config|platform)\/.*\.(js|d\.ts)$/.test(path),
  );
  expect(rest.sort()).toEqual(['README.md', 'package.json']);
  expect(packed).toContain('dist/client/index.d.ts');
});

test('installed, it brings one package along: no pg, no TypeORM, no Nest, no Kafka', async () => {
  const modules = join(project, 'node_modules');
  const names = (await readdir(modules)).filter((name) => !name.startsWith('.'));
  expect(names.sort()).toEqual(['@tercet', 'uuidv7']);
  expect(await readdir(join(modules, '@tercet'))).toEqual(['client']);
});

test('installed, it has less than 3 MB', async () => {
  const entries = await readdir(join(project, 'node_modules'), { recursive: true });
  const sizes = await Promise.all(
    entries.map(async (entry) => {
      const found = await stat(join(project, 'node_modules', entry));
      return found.isFile() ? found.size : 0;
    }),
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThan(MAX_BYTES);
});

test('everything that it exports can be imported, without pg and TypeORM', async () => {
  const { code, output } = await module(`
    import { guard, installLocks, Locks, LOCKS_SCHEMA, PostgresLocks, SegmentedLock } from '@tercet/client';
    import { FENCE_SCHEMA, fence, installFence, Messages, outbox, Pending, Refused, TercetClient, TercetError, TercetUnreachable }
      from '@tercet/client';
    const client = new TercetClient({ url: 'http://127.0.0.1:1', retry: { attempts: 1 } });
    const error = await client.begin({ gid: 'order-17' }).catch((failure) => failure);
    console.log(error instanceof TercetUnreachable, typeof fence.run, typeof installFence, FENCE_SCHEMA.length > 0,
      new Refused('no').reason, new Pending(5).retryAfterMs, TercetError.name,
      Messages.name, typeof outbox({ source: 'urn:shop' }).append);
    const locks = new Locks(new PostgresLocks({ pool: { options: {} } }));
    console.log(new SegmentedLock(locks, 'lamp', 4).count, typeof guard, typeof installLocks, LOCKS_SCHEMA.length > 0);
  `);
  expect([code, output]).toEqual([
    0,
    'true function function true no 5 TercetError Messages function\n4 function function true\n',
  ]);
});

test('the part for Kafka can be imported without kafkajs: the instance is yours', async () => {
  const { code, output } = await module(`
    import { consume, inbox, INBOX_SCHEMA, installInbox, startRelay } from '@tercet/client/kafka';
    console.log(typeof startRelay, typeof consume, typeof inbox.purge, typeof installInbox, INBOX_SCHEMA.length > 0);
  `);
  expect([code, output]).toEqual([0, 'function function function function true\n']);
});

test('the part for Redis can be imported without ioredis: the instance is yours', async () => {
  const { code, output } = await module(`
    import { redisIds, RedisLocks, Redlock } from '@tercet/client/redis';
    import { decode, installIds, IDS_SCHEMA, segment, sequence, snowflake, uuidv7 } from '@tercet/client';
    const [one, two] = [uuidv7(), snowflake({ workerId: 7 })];
    console.log(typeof redisIds, typeof installIds, IDS_SCHEMA.length > 0, typeof segment, typeof sequence,
      decode(await one.next()).kind, decode(await two.next()).worker,
      RedisLocks.name, Redlock.name);
  `);
  expect([code, output]).toEqual([0, 'function function true function function uuidv7 7 RedisLocks Redlock\n']);
});

test('the part for configuration can be imported where nothing else is installed', async () => {
  const { code, output } = await module(`
    import { ConfigSnapshot, TercetConfig } from '@tercet/client/config';
    const options = { url: 'http://127.0.0.1:1', environment: 'production', namespaces: ['orders'] };
    const error = await TercetConfig.start(options).catch((failure) => failure);
    const parse = { orders: ({ most = 10 }) => most };
    const config = await TercetConfig.start({ ...options, parse, whenUnavailable: 'defaults' });
    console.log(error.code, config.get('orders'), config.snapshot() instanceof ConfigSnapshot);
    await config.close();
  `);
  expect([code, output]).toEqual([0, 'TERCET_CONFIG_UNAVAILABLE 10 true\n']);
});

test('the test kit runs where nothing else is installed, under node:test, and leaves nothing open', async () => {
  const { code, output } = await module(`
    import assert from 'node:assert';
    import { test } from 'node:test';
    import { Refused, saga, sagaComponent } from '@tercet/client';
    import { everyCrash, testCoordinator } from '@tercet/client/testing';

    const world = () => {
      const counts = { order: 0, payment: 0 };
      const counting = (name) => ({
        action: () => void (counts[name] += 1),
        compensate: () => void (counts[name] -= 1),
      });
      const components = { order: counting('order'), payment: counting('payment') };
      return { components, state: () => counts };
    };
    const place = saga('place').step('order', sagaComponent('order'), () => 1).step('payment', sagaComponent('payment'), () => 2);

    test('a saga', async () => {
      const { components, state } = world();
      components.payment.action = () => { throw new Refused('no money'); };
      const tercet = testCoordinator({ components, state }).crashAt('order', 'compensate', { when: 'after' });
      const { transaction } = await place.run(tercet, {}, { wait: 'settled' });
      assert.deepEqual([transaction.status, transaction.reason.detail], ['aborted', 'no money']);
      tercet.expectAllOrNothing();
      assert.ok((await everyCrash(() => ({ ...world(), request: place.request({}) }))).cases > 30);
    });
  `);
  expect(output).toMatch(/^(# |ℹ )pass 1$/m);
  expect(code).toBe(0);
});

test('the client needs nothing of what the test kit brings along', async () => {
  const dist = join(project, 'node_modules/@tercet/client/dist');
  const aside = join(folder, 'aside');
  await mkdir(join(aside, 'client'), { recursive: true });
  const kit = ['engine', 'domain', 'client/testing'];
  for (const part of kit) await rename(join(dist, part), join(aside, part));
  try {
    const { code, output } = await module(
      `import { TercetClient } from '@tercet/client'; console.log(TercetClient.name);`,
    );
    expect([code, output]).toEqual([0, 'TercetClient\n']);
  } finally {
    for (const part of kit) await rename(join(aside, part), join(dist, part));
  }
});

test('files that are not exported cannot be reached', async () => {
  const { code, output } = await module(`import '@tercet/client/dist/client/transport.js';`);
  expect(code).toBe(1);
  expect(output).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
});

test('the part for Nest is exported, and names the package that is missing where Nest is', async () => {
  const { code, output } = await module(`import '@tercet/client/nest';`);
  expect(code).toBe(1);
  expect(output).toMatch(/Cannot find package '(@nestjs\/common|@nestjs\/core|typeorm)' imported from/);
});

test('what is missing for Nest is declared as a peer', async () => {
  const text = await readFile(join(project, 'node_modules/@tercet/client/package.json'), 'utf8');
  const { peerDependencies, peerDependenciesMeta } = JSON.parse(text) as {
    peerDependencies: Record<string, string>;
    peerDependenciesMeta: Record<string, { optional: boolean }>;
  };
  const nest = ['@nestjs/common', '@nestjs/core', '@nestjs/microservices'];
  expect(Object.keys(peerDependencies).sort()).toEqual([...nest, 'ioredis', 'kafkajs', 'pg', 'rxjs', 'typeorm']);
  for (const name of Object.keys(peerDependencies)) expect(peerDependenciesMeta[name]).toEqual({ optional: true });
});

test.each([
  ['with the types of Node', { lib: ['ES2022'], types: ['node'], typeRoots: [join(root, 'node_modules/@types')] }],
  ['with those of the browser', { lib: ['ES2022', 'DOM'], types: [] }],
])('its declarations are complete and sound %s', async (_name, over) => {
  await writeFile(
    join(project, 'use.ts'),
    `import { fence, guard, Locks, Messages, outbox, Pending, PostgresLocks, Refused, saga, sagaComponent, TercetClient } from '@tercet/client';
     import { everyCrash, testCoordinator } from '@tercet/client/testing';
     import type { TestCall } from '@tercet/client/testing';
     import type {
       BeginRequest, Executor, FencedCall, FenceAnswer, LockPool, PoolLike, TccDone, TransactionView,
     } from '@tercet/client';

     export async function pay(client: TercetClient): Promise<TransactionView> {
       return client.begin({ gid: 'order-17', branches: [{ branchId: 'a', component: 'account' }] });
     }
     export async function drive(client: TercetClient): Promise<TccDone<number>> {
       return client.tcc({ gid: 'order-17' }, async (tx) => {
         await tx.try('a', 'account', { amount: 1 });
         return 1;
       });
     }
     export async function take(executor: Executor, call: FencedCall): Promise<FenceAnswer> {
       return fence.run(executor, call, () => {
         if (call.op === 'try') throw new Refused('no');
         return new Pending(1000);
       });
     }
     export async function report(pool: LockPool, executor: Executor): Promise<void> {
       await new Locks(new PostgresLocks({ pool })).run('report', { waitMs: 0 }, (held) => guard(executor, held));
     }
     const ordered = sagaComponent<{ customer: string }, { orderId: string }>('order');
     export const placeOrder = saga<{ customer: string }>('place-order')
       .step('order', ordered, ({ input }) => input)
       .step('mail', sagaComponent('mail'), ({ reply }) => ({ about: reply.order.orderId }), { after: ['order'] });
     export const repliesOf = async (client: TercetClient) =>
       (await placeOrder.run(client, { customer: 'c' })).replies.order?.orderId;
     export async function send(client: TercetClient, pool: PoolLike<Executor>): Promise<number> {
       const messages = new Messages(client, { component: 'order', pool });
       const deliveries = [{ branchId: 'paid', topic: 'order-paid', key: 'k', payload: { n: 1 } }];
       const done = await messages.inTransaction({ deliveries }, async (executor) => {
         await outbox({ source: 'urn:shop' }).append(executor, { topic: 'order-paid', payload: 1 });
         return 1;
       });
       // What did not run now has no result.
       return done.repeated ? 0 : done.result;
     }
     const counts = { order: 0 };
     const order = { action: ({ payload }: TestCall<{ n: number }>) => void (counts.order += payload.n) };
     export const tercet = testCoordinator({ components: { order }, state: () => counts }).failAt('order', 'action');
     export async function crash(request: BeginRequest): Promise<number> {
       return (await everyCrash(() => ({ components: { order }, state: () => counts, request }))).cases;
     }
     // @ts-expect-error a component has the operations that it has
     tercet.failAt('order', 'compensate');
     // @ts-expect-error a begin knows its fields
     export const wrong = (client: TercetClient) => client.begin({ branch: [] });
    `,
  );
  const compilerOptions = {
    target: 'ES2022',
    module: 'NodeNext',
    moduleResolution: 'NodeNext',
    strict: true,
    exactOptionalPropertyTypes: true,
    // What a program exports must be of types that it can name.
    declaration: true,
    outDir: 'out',
    skipLibCheck: false,
    ...over,
  };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }));
  expect(await run(process.execPath, [tsc, '-p', '.'], project)).toEqual({ code: 0, output: '' });
});
