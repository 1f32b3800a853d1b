/** TercetConfig with the center itself: what is released there is in force here, and seen there as taken. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { TercetConfig } from '../../src/client/config/index.js';
import type { TercetConfigOptions } from '../../src/client/config/index.js';
import { checksumOf } from '../../src/config/canonical.js';
import type {
  ConfigContent,
  ConfigNodeView,
  DraftView,
  NamespaceView,
  ReleaseView,
} from '../../src/protocol/config.js';
import { TestNode } from '../http/node.js';
import { programOf } from '../support/debian.js';
import { redisUrl, withRedis } from '../support/redis.js';
import { PATIENT_CLOCK, until } from './until.js';

const reason = 'a test';
const python = programOf('python3', 'python3');
let node: TestNode;
const open: TercetConfig[] = [];

beforeAll(async () => {
  node = await TestNode.start({ TERCET_CONFIG_KEYS: `k1:${randomBytes(32).toString('base64')}` });
}, 120_000);
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});
afterAll(() => node.stop());

let made = 0;
/** Of each test its own. */
function environment(): string {
  made += 1;
  return `test-${made}`;
}

async function done<T>(method: string, path: string, body?: unknown): Promise<T> {
  const { status, body: answer } = await node.send<T>(method, `/v1/config/${path}`, body);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answer)}`);
  return answer;
}

async function draft(env: string, namespace: string, content: ConfigContent): Promise<void> {
  const place = `${env}/namespaces/${namespace}`;
  await done('PUT', place, {});
  const { release: base, draft: seen } = await done<NamespaceView>('GET', place);
  const revision = seen ? { revision: seen.revision } : {};
  await done<DraftView>('PUT', `${place}/draft`, { base, ...revision, content, reason });
}

async function release(env: string, content: ConfigContent, mode: object = {}): Promise<ReleaseView> {
  await draft(env, 'orders', content);
  return await done<ReleaseView>('POST', `${env}/releases`, { reason, ...mode });
}

async function stateOf(env: string, instance: string) {
  const { nodes } = await done<{ nodes: ConfigNodeView[] }>('GET', `${env}/nodes`);
  return nodes.find((each) => each.instance === instance)?.namespaces['orders'];
}

const parse = {
  orders: ({ mostItems = 10 }: ConfigContent) => {
    if (mostItems === 0) throw new Error('mostItems must be 1 or more');
    return { mostItems };
  },
};

async function started<V extends object>(env: string, options: Partial<TercetConfigOptions<V>>) {
  const config = await TercetConfig.start<V>({ url: node.url, environment: env, namespaces: ['orders'], ...options });
  open.push(config as unknown as TercetConfig);
  return config;
}

test('before anything is released the defaults hold; each release is in force, and its instance is seen to have it', async () => {
  const env = environment();
  const config = await started(env, { parse, instance: 'orders-1' });
  expect([config.get('orders').mostItems, config.status.source]).toEqual([10, 'center']);
  await release(env, { mostItems: 3, price: 0.1, 'ä€😀': [1e-7, null] });
  await until('it is in force', async () => config.get('orders').mostItems === 3);
  const second = await release(env, { mostItems: 4 });
  await until('it is in force', async () => config.get('orders').mostItems === 4);
  await until('it is seen', async () => (await stateOf(env, 'orders-1'))?.state === 'applied');
  expect(await stateOf(env, 'orders-1')).toMatchObject({ desired: second.release, applied: second.release });
});

test('a rollback brings back what was there, under a new number', async () => {
  const env = environment();
  const first = await release(env, { mostItems: 3 });
  await release(env, { mostItems: 4 });
  const config = await started(env, { parse });
  await done('POST', `${env}/releases/${first.release}/rollback`, { reason });
  await until('it is in force', async () => config.get('orders').mostItems === 3);
  expect(config.release('orders')).toBe(3);
});

test('a gray release that one rejects ends, and what it has is then what it should have', async () => {
  const env = environment();
  await release(env, { mostItems: 3 });
  const gray = await started(env, { parse, instance: 'gray', labels: { lane: 'gray' } });
  const other = await started(env, { parse, instance: 'other' });
  await release(env, { mostItems: 5 }, { mode: 'gray', gray: { labels: { lane: 'gray' } } });
  await until('it has it', async () => gray.get('orders').mostItems === 5);
  expect(other.get('orders').mostItems).toBe(3);
  await done('POST', `${env}/rollout/promote`, { reason });
  await until('all have it', async () => other.get('orders').mostItems === 5);
  await release(env, { mostItems: 0 }, { mode: 'gray', gray: { labels: { lane: 'gray' } } });
  await until('it was aborted', async () => {
    const { state, why } = await done<{ state: string; why: string | null }>('GET', `${env}/rollout`);
    return state === 'aborted' && (why?.includes('gray rejects it: orders: mostItems must be 1 or more') ?? false);
  });
  await until('nothing is rejected any more', async () => gray.status.rejected === null);
  expect([gray.get('orders').mostItems, other.get('orders').mostItems]).toEqual([5, 5]);
});

test('secrets are masked unless they are asked for', async () => {
  const env = environment();
  await release(env, { password: { $secret: 'hunter2' } });
  expect((await started(env, {})).get('orders')).toEqual({ password: '••••••' });
  expect((await started(env, { secrets: true })).get('orders')).toEqual({ password: 'hunter2' });
});

test('what a parser or a listener says of a secret in clear stays in the service, and so does its checksum', async () => {
  const env = environment();
  const parsed = ({ login }: ConfigContent) => JSON.parse(login as string) as object;
  await release(env, { login: { $secret: '{"user":"first-user"}' } });
  const heard: unknown[] = [];
  const hear = (...said: unknown[]): void => void heard.push(said);
  const logger = { info: hear, warn: hear, error: hear };
  const options = { parse: { orders: parsed }, secrets: true, logger };
  const config = await started(env, { ...options, instance: 'secret-1' });
  config.onChange((next) => {
    if (JSON.stringify(next.get('orders')).includes('second')) throw new RangeError('no second-user here');
    return () => {
      if (JSON.stringify(next.get('orders')).includes('third')) throw new RangeError('no third-user here');
    };
  });
  const rejected = async (content: ConfigContent): Promise<string> => {
    await release(env, content, { mode: 'gray', gray: { percent: 100 } });
    await until('it was aborted', async () => {
      return (await done<{ state: string }>('GET', `${env}/rollout`)).state === 'aborted';
    });
    await until('nothing is rejected any more', async () => config.status.rejected === null);
    const { why } = await done<{ why: string }>('GET', `${env}/rollout`);
    return why;
  };
  const rest = 'secrets are read in clear here, so its message is not told';
  const whys = [
    await rejected({ login: { $secret: 'hunter2' } }),
    await rejected({ login: { $secret: '"second-user"' } }),
  ];
  expect(whys).toEqual([
    `secret-1 rejects it: orders: its parser throws SyntaxError; ${rest}`,
    `secret-1 rejects it: what listens to a change throws RangeError; ${rest}`,
  ]);
  await release(env, { login: { $secret: '"third-user"' } });
  await until('it is in force', async () => config.release('orders') === 4);
  await until('it is seen', async () => (await stateOf(env, 'secret-1'))?.applied === 4);
  const before = config.snapshot().checksum;
  await release(env, { login: { $secret: 'hunter2' } });
  await until('it is reported', async () => (await stateOf(env, 'secret-1'))?.state === 'rejected');
  const unstarted = await started(env, { ...options, instance: 'secret-2' }).catch((error: unknown) => error);
  const told = [heard, config.status, await stateOf(env, 'secret-1'), whys, inspect(unstarted, { depth: 9 })];
  const kept = await node.sql('SELECT * FROM tercet.config_report', []);
  const all = JSON.stringify([told, kept, await done('GET', `${env}/audit`), await done('GET', `${env}/rollout`)]);
  expect(all).toContain('its parser throws SyntaxError');
  for (const secret of [
    'hunter',
    'first-user',
    'second-user',
    'third-user',
    before,
    checksumOf({ login: 'hunter2' }),
  ]) {
    expect(all).not.toContain(secret);
  }
});

test('a namespace that does not exist yet holds nobody back from the others, and is named once', async () => {
  const env = environment();
  await release(env, { mostItems: 3 });
  const warned: unknown[] = [];
  const logger = { info: () => undefined, error: () => undefined, warn: (fields: object) => void warned.push(fields) };
  const config = await started(env, { namespaces: ['orders', 'prices'], parse, logger });
  expect([config.get('orders').mostItems, config.get('prices'), config.status.source]).toEqual([3, {}, 'center']);
  await release(env, { mostItems: 4 });
  await until('it is in force', async () => config.get('orders').mostItems === 4);
  await draft(env, 'prices', { tax: 19 });
  await done('POST', `${env}/releases`, { reason });
  await until('it is in force', async () => config.get('prices')['tax'] === 19);
  expect(warned).toEqual([{ environment: env, missing: ['prices'] }]);
});

test('two namespaces of one release come into force together', async () => {
  const env = environment();
  const both = async (n: number): Promise<void> => {
    await draft(env, 'orders', { n });
    await draft(env, 'prices', { n });
    await done('POST', `${env}/releases`, { reason });
  };
  await both(0);
  const config = await started(env, { namespaces: ['orders', 'prices'] });
  const torn: unknown[] = [];
  config.onChange((next) => {
    if (next.get('orders')['n'] !== next.get('prices')['n']) torn.push(next);
  });
  for (const n of [1, 2, 3]) await both(n);
  await until('the last is in force', async () => config.get('prices')['n'] === 3);
  expect(torn).toEqual([]);
});

(python === null ? test.skip : test)('a service in Python has what is released, and is seen to have it', async () => {
  const env = environment();
  await release(env, { mostItems: 3, price: 1e-7, 'ä€😀': [0.1, null] });
  const folder = join(import.meta.dirname, '../../examples/config-client');
  const program = `
import sys, time
sys.path.insert(0, sys.argv[3])
from tercet_config import Config
config = Config(sys.argv[1], sys.argv[2], ["orders", "prices"], "python-1")
while True: time.sleep(1)
`;
  const child = spawn(python ?? '', ['-c', program, node.url, env, folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  try {
    await until('it has the first', async () => (await stateOf(env, 'python-1'))?.applied === 1);
    await release(env, { mostItems: 4 });
    await until('it has the second', async () => (await stateOf(env, 'python-1'))?.applied === 2);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
});

withRedis()('with a Redis', () => {
  test('of twenty services one gets each release from the center, or a few where Redis is slow to answer', async () => {
    const env = environment();
    const redis = new Redis(await redisUrl());
    const salt = randomBytes(8).toString('hex');
    try {
      await release(env, { mostItems: 3, salt });
      const configs = await Promise.all(
        Array.from({ length: 20 }, () => started(env, { parse, redis, clock: PATIENT_CLOCK })),
      );
      const sum = (count: 'fetches' | 'saved'): number => configs.reduce((all, { pulls }) => all + pulls[count], 0);
      const first = sum('fetches');
      expect([first <= 10, first + sum('saved')]).toEqual([true, 20]);
      await release(env, { mostItems: 4, salt });
      await until('all have it', async () => configs.every((config) => config.get('orders').mostItems === 4));
      expect([sum('fetches') - first <= 10, sum('fetches') + sum('saved')]).toEqual([true, 40]);
    } finally {
      await Promise.all(open.splice(0).map((each) => each.close()));
      await redis.quit();
    }
  });
});
