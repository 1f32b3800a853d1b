/** The copy on disk: a service starts with it while the center is away, if it is young and true. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TercetConfig } from '../../src/client/config/index.js';
import type { LastGoodOptions, TercetConfigOptions } from '../../src/client/config/index.js';
import type { ConfigContent } from '../../src/protocol/config.js';
import { SYSTEM_CLOCK } from '../../src/platform/surroundings.js';
import { FakeCenter } from './config-center.js';
import { until } from './until.js';

const HOUR_MS = 3_600_000;
const parse = {
  orders: ({ mostItems = 10 }: ConfigContent) => {
    if (mostItems === 0) throw new Error('mostItems must be 1 or more');
    return { mostItems };
  },
};

let center: FakeCenter;
let folder: string;
let aheadMs: number;
const open: TercetConfig[] = [];

beforeEach(async () => {
  center = await FakeCenter.start();
  folder = await mkdtemp(join(tmpdir(), 'tercet-last-good-'));
  aheadMs = 0;
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
  await center.stop();
  await rm(folder, { recursive: true, force: true });
});

async function started(lastGood: Partial<LastGoodOptions> = {}, over: Partial<TercetConfigOptions> = {}) {
  const config = await TercetConfig.start({
    url: center.url,
    environment: 'production',
    namespaces: ['orders'],
    parse,
    lastGood: { folder, ...lastGood },
    clock: {
      ...SYSTEM_CLOCK,
      now: () => Date.now() + aheadMs,
      monotonic: () => performance.now() + aheadMs,
    },
    ...(over as object),
  });
  open.push(config as unknown as TercetConfig);
  return config;
}

async function file(): Promise<string> {
  const [name, ...more] = await readdir(folder);
  expect(more).toEqual([]);
  return join(folder, name ?? 'none');
}

/** A service had this once, and the center is away now. */
async function left(content: ConfigContent, lastGood: Partial<LastGoodOptions> = {}): Promise<void> {
  center.publish({ orders: content });
  await (await started(lastGood)).close();
  await center.stop();
}

test('a young copy is started with, and what was released meanwhile comes when the center is back', async () => {
  await left({ mostItems: 3 });
  aheadMs = HOUR_MS;
  const config = await started();
  expect(config.get('orders').mostItems).toBe(3);
  expect(config.status).toMatchObject({ source: 'disk', revision: 0 });
  expect(config.status.ageMs).toBeGreaterThanOrEqual(HOUR_MS);
  center.publish({ orders: { mostItems: 4 } });
  await center.restart();
  await until('the release is in force', async () => config.get('orders').mostItems === 4);
  expect([config.status.source, config.status.ageMs < HOUR_MS]).toEqual(['center', true]);
});

test('a center that confirms the copy makes it young again', async () => {
  await left({ mostItems: 3 });
  aheadMs = 20 * HOUR_MS;
  const config = await started();
  // As after a poll in which nothing came.
  center.fault = (response) => void response.writeHead(204).end();
  await center.restart();
  await until('it is young', async () => config.status.ageMs < HOUR_MS);
  await config.close();
  await center.stop();
  aheadMs += 10 * HOUR_MS;
  expect((await started()).get('orders').mostItems).toBe(3);
});

test('one that the center has not confirmed for too long is not used', async () => {
  await left({ mostItems: 3 });
  aheadMs = 25 * HOUR_MS;
  await expect(started()).rejects.toMatchObject({ code: 'TERCET_CONFIG_TOO_OLD' });
  expect((await started({ maxAgeMs: 26 * HOUR_MS })).get('orders').mostItems).toBe(3);
});

test('without one, an error says so', async () => {
  await center.stop();
  await expect(started()).rejects.toMatchObject({ code: 'TERCET_CONFIG_UNAVAILABLE' });
});

test.each<[string, (text: string) => string]>([
  ['changed', (text) => text.replace('"mostItems":3', '"mostItems":9')],
  ['cut off', (text) => text.slice(0, -10)],
  ['empty', () => ''],
  ['null', () => 'null'],
])('one that is %s is not used', async (_what, harm) => {
  await left({ mostItems: 3 });
  const path = await file();
  await writeFile(path, harm(await readFile(path, 'utf8')));
  await expect(started()).rejects.toMatchObject({ code: 'TERCET_CONFIG_UNAVAILABLE' });
});

test('where a key is set, one that was made without it is forged', async () => {
  const key = randomBytes(32);
  await left({ mostItems: 9 });
  const forged = await readFile(await file(), 'utf8');
  await rm(await file());
  await center.restart();
  await left({ mostItems: 3 }, { key });
  const path = await file();
  const whole = await readFile(path, 'utf8');
  expect((await started({ key })).get('orders').mostItems).toBe(3);
  for (const text of [forged, `${whole.slice(0, 40)}${whole[40] === 'A' ? 'B' : 'A'}${whole.slice(41)}`]) {
    await writeFile(path, text);
    await expect(started({ key })).rejects.toMatchObject({ code: 'TERCET_CONFIG_UNAVAILABLE' });
  }
  await writeFile(path, whole);
  await expect(started({ key: randomBytes(32) })).rejects.toMatchObject({ code: 'TERCET_CONFIG_UNAVAILABLE' });
});

test('that of another service in the same folder is not taken for its own', async () => {
  await left({ mostItems: 3 });
  const path = await file();
  const text = await readFile(path, 'utf8');
  await expect(started({}, { instance: 'orders-1' })).rejects.toMatchObject({ code: 'TERCET_CONFIG_UNAVAILABLE' });
  await center.restart();
  await (await started({}, { instance: 'orders-1' })).close();
  await center.stop();
  const other = (await readdir(folder)).map((name) => join(folder, name)).find((name) => name !== path);
  await writeFile(other ?? '', text);
  await expect(started({}, { instance: 'orders-1' })).rejects.toThrow('it is for another service');
});

test('a release that is rejected is not kept, and a service that rejects the first one starts with the copy', async () => {
  center.publish({ orders: { mostItems: 3 } });
  await (await started()).close();
  center.publish({ orders: { mostItems: 0 } });
  const config = await started();
  expect(config.get('orders').mostItems).toBe(3);
  expect(config.status).toMatchObject({ source: 'disk', rejected: { revision: 2 } });
  await until('it is reported', async () => center.told.at(-1)?.namespaces['orders']?.state === 'rejected');
  expect(await readFile(await file(), 'utf8')).toContain('"mostItems":3');
});

test('only who runs the service can read it, nothing unfinished lies beside it, and secrets in it are encrypted', async () => {
  const key = randomBytes(32).toString('base64');
  center.publish({ orders: { mostItems: 3, password: 'hunter2-hunter2' } });
  const config = await started({ key }, { secrets: true });
  await until('it is written', async () => (await readdir(folder)).some((name) => name.endsWith('.json')));
  await config.close();
  const path = await file();
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const bytes = await readFile(path);
  const text = bytes.toString() + Buffer.from(bytes.toString(), 'base64').toString();
  for (const word of ['hunter2', 'mostItems', 'orders']) expect(text).not.toContain(word);
});

test('a folder that cannot be written stops nobody', async () => {
  center.publish({ orders: { mostItems: 3 } });
  await writeFile(join(folder, 'file'), '');
  const config = await started({ folder: join(folder, 'file', 'below') });
  expect(config.get('orders').mostItems).toBe(3);
});

test('nothing is kept of a center that knows of nothing, and the copy of before stays', async () => {
  center.publish({ orders: { mostItems: 3 } });
  await (await started()).close();
  await center.stop();
  center = await FakeCenter.start();
  await (await started()).close();
  await center.stop();
  expect((await started()).get('orders').mostItems).toBe(3);
});
