import { DEFAULT_CHECK, DEFAULT_RETRY } from '../../../src/protocol/words.js';
import { LogUnavailable } from '../../../src/engine/ports.js';
import { PostgresComponents } from '../../../src/storage/components.js';
import type { ComponentDefinition } from '../../../src/storage/components.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { branch, ended, transaction } from '../../contract/sample.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { Proxy } from '../../support/proxy.js';

const warnings: string[] = [];
const logger = { info() {}, warn: (_: object, message: string) => void warnings.push(message), error() {} };

let database: TestDatabase;
let here: PostgresComponents;
let elsewhere: PostgresComponents;

function definition(name: string, over: Partial<ComponentDefinition> = {}): ComponentDefinition {
  const url = `http://127.0.0.1:3002/${name}`;
  return {
    name,
    url,
    endpoints: {},
    timeoutMs: 3000,
    concurrency: 256,
    retry: DEFAULT_RETRY,
    check: DEFAULT_CHECK,
    version: null,
    ...over,
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

beforeEach(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  here = new PostgresComponents({ url: database.url, leaseMs: 5000 }, logger);
  elsewhere = new PostgresComponents({ url: database.url, leaseMs: 5000 }, logger);
  await Promise.all([here.start(), elsewhere.start()]);
});

afterEach(async () => {
  await Promise.all([here.stop(), elsewhere.stop()]);
  await database.drop();
});

test('a component is shown as it was registered, and the same again changes nothing', async () => {
  const asked = definition('account', { version: '1.4.0', endpoints: { try: 'http://x/é?a=1' } });
  const { created, component } = await here.put(asked);
  expect(created).toBe(true);
  expect(component).toEqual({ ...asked, createdAt: component.createdAt, updatedAt: component.createdAt });
  expect(new Date(component.createdAt).toISOString()).toBe(component.createdAt);
  expect(await elsewhere.put(asked)).toEqual({ created: false, component });
  expect(await elsewhere.view('account')).toEqual(component);
  await here.put(definition('aaa'));
  expect((await elsewhere.list()).map(({ name }) => name)).toEqual(['aaa', 'account']);
});

test('each operation has its own endpoint or stands under the url', async () => {
  await here.put(definition('a', { url: 'http://h/base/', endpoints: { confirm: 'http://h/c' } }));
  expect(here.get('a')?.targets).toMatchObject({ try: 'http://h/base/try', confirm: 'http://h/c' });
  await here.put(definition('b', { url: null, endpoints: { try: 'http://h/t' } }));
  expect(here.get('b')?.targets).toEqual({ try: 'http://h/t' });
});

test('what was registered elsewhere is found at once, and what was replaced is known soon', async () => {
  await elsewhere.put(definition('account'));
  expect((await here.find('account'))?.targets.try).toBe('http://127.0.0.1:3002/account/try');
  await elsewhere.put(definition('account', { url: 'http://new' }));
  await until(() => here.get('account')?.targets.try === 'http://new/try');
  expect(await here.find('nobody')).toBeUndefined();
  expect(here.get('nobody')).toBeUndefined();
});

test('a deleted component is no longer registered, and whoever uses it still finds it', async () => {
  await here.put(definition('account'));
  await elsewhere.find('account');
  expect(await here.remove('account')).toBe('removed');
  expect(await here.remove('account')).toBe('unknown');
  expect(await here.view('account')).toBeNull();
  expect(await here.list()).toEqual([]);
  expect(await here.find('account')).toBeUndefined();
  expect(here.get('account')?.name).toBe('account');
  const late = new PostgresComponents({ url: database.url, leaseMs: 5000 }, logger);
  await late.start();
  expect(late.get('account')?.name).toBe('account');
  await late.stop();
  expect(await elsewhere.put(definition('account', { url: 'http://again' }))).toMatchObject({ created: true });
  expect((await here.find('account'))?.targets.try).toBe('http://again/try');
});

test('a component with an unfinished transaction stays', async () => {
  await here.put(definition('stock'));
  const log = new PostgresLog({ url: database.url, leaseMs: 5000 }, logger);
  const member = await log.join('north', 60_000);
  const tx = transaction({ branches: [branch('a'), branch('b', { component: 'stock' })] });
  const { held } = await log.insert(member, tx, 'x');
  expect(await here.remove('stock')).toBe('in use');
  expect(await elsewhere.find('stock')).toBeDefined();
  await log.save(held, ended(tx), []);
  expect(await here.remove('stock')).toBe('removed');
  await log.close();
});

test('of many changes at once on two nodes none is missed', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `c${index}`);
  await Promise.all(names.map((name, index) => (index % 2 ? here : elsewhere).put(definition(name))));
  const third = new PostgresComponents({ url: database.url, leaseMs: 5000 }, logger);
  await third.start();
  await Promise.all(names.map((name) => here.put(definition(name, { url: `http://new/${name}` }))));
  await until(() => names.every((name) => third.get(name)?.targets.try === `http://new/${name}/try`));
  await third.stop();
});

test('while the database is away what is known serves, and changes are seen when it is back', async () => {
  const proxy = await Proxy.start(database.url);
  const far = new PostgresComponents({ url: proxy.url, leaseMs: 5000 }, logger);
  await here.put(definition('account'));
  await far.start();
  proxy.loseAnswers();
  warnings.length = 0;
  await until(() => warnings.some((warning) => warning.includes('changes of components')));
  expect(await far.find('account')).toBeDefined();
  await expect(far.find('other')).rejects.toThrow(LogUnavailable);
  proxy.heal();
  await here.put(definition('account', { url: 'http://back' }));
  await until(() => far.get('account')?.targets.try === 'http://back/try');
  await far.stop();
  await proxy.stop();
});
