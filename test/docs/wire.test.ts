/** docs/wire.md says what a running node does: its settings, its bounds, and the JSON that it shows. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { openApi } from '../../src/http/openapi.js';
import { beginMessage, beginSaga, beginTcc } from '../../src/protocol/begin.js';
import { component, instance, list } from '../../src/protocol/schema.js';
import type { EventView, TimelineView } from '../../src/protocol/words.js';
import { readSettings } from '../../src/settings.js';
import type { Settings } from '../../src/settings.js';
import { TestNode } from '../http/node.js';
import { json, raw } from '../participants/service.js';

const document = readFileSync(new URL('../../docs/wire.md', import.meta.url), 'utf8');

function section(number: number): string {
  const found = document.split(/^## /m).find((text) => text.startsWith(`${number}. `));
  if (found === undefined) throw new Error(`docs/wire.md has no section ${number}`);
  return found;
}

/** The blocks of JSON of a section, in order. */
function examples(number: number): object[] {
  return [...section(number).matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = '']) => JSON.parse(text) as object);
}

/** The rows of all tables of a section whose head begins with `head`: their cells, without the head. */
function rows(number: number, head: string): string[][] {
  const tables = section(number).match(/(^\|.*\n)+/gm) ?? [];
  return tables
    .filter((table) => table.startsWith(`| ${head} `))
    .flatMap((table) => table.trim().split('\n').slice(2))
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const names = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

test('every call is named, and one that is named exists or is said not to be in this version', () => {
  const { paths } = openApi() as { paths: Record<string, object> };
  const calls = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const named = (text: string): string[] =>
    [...text.matchAll(/`((?:GET|POST|PUT|DELETE) \/[^`?]*)/g)].map(([, call = '']) => call);
  expect(calls.filter((call) => !named(document).includes(call))).toEqual([]);
  const sentences = document.split(/(?<=[.;])\s|\n\n/);
  const promised = sentences.filter((sentence) => !/not in this version/i.test(sentence)).flatMap(named);
  expect(promised.filter((call) => !calls.includes(call))).toEqual([]);
});

describe('settings', () => {
  const table = rows(1, 'setting').map(([name = '', value = '']) => ({ names: names(name), value: names(value)[0] }));

  test('every setting that is known has a row, and every row is one that is known', () => {
    const notRead = ['DATABASE_URL'];
    let refusal = '';
    try {
      readSettings({ TERCET_NO_SUCH: 'x' });
    } catch (error) {
      refusal = String(error);
    }
    const known = refusal.slice(refusal.indexOf('known are')).match(/(TERCET|KAFKA|REDIS)_\w+/g) ?? [];
    expect(table.flatMap((row) => row.names).sort()).toEqual([...known, ...notRead].sort());
  });

  test('a default that is shown is the one that is taken', () => {
    const shown = table.filter(({ value, names: [name = ''] }) => value && name.startsWith('TERCET_'));
    const given = Object.fromEntries(shown.map(({ names: [name = ''], value }) => [name, value]));
    expect(Object.keys(given)).toHaveLength(16);
    const comparable = (settings: Settings): object => ({
      ...settings,
      node: null,
      allowList: { ...settings.allowList, lookup: null },
    });
    expect(comparable(readSettings(given))).toEqual(comparable(readSettings({})));
  });
});

describe('numbers', () => {
  interface Bounds {
    readonly value: number;
    readonly from: number;
    readonly to: number;
  }
  interface Schema {
    type?: string;
    default?: unknown;
    minimum?: number;
    maximum?: number;
    properties?: Record<string, Schema>;
  }

  function inSchema(schema: Schema, prefix = ''): [string, Bounds][] {
    return Object.entries(schema.properties ?? {}).flatMap(([name, field]): [string, Bounds][] => {
      if (field.type === 'object') return inSchema(field, `${prefix}${name}.`);
      if (field.type !== 'integer' && field.type !== 'number') return [];
      const { default: value = NaN, minimum: from = NaN, maximum: to = NaN } = field;
      return [[prefix + name, { value: value as number, from, to }]];
    });
  }

  function inDocument(number: number, head: string): [string, Bounds][] {
    return rows(number, head).flatMap(([name = '', value = '', bounds = '']): [string, Bounds][] => {
      const [, from, to] = /^(\d+) to (\d+)$/.exec(bounds) ?? [];
      return to ? [[names(name)[0] ?? '', { value: Number(value), from: Number(from), to: Number(to) }]] : [];
    });
  }

  test.each<[string, number, string, z.ZodType]>([
    ['a component', 3, 'field', component],
    ['an instance', 3, 'instance', instance],
    ['a begin', 4, 'field', beginTcc],
    ['a saga', 4, 'of a saga', beginSaga],
    ['a message', 4, 'of a message', beginMessage],
    ['a list', 6, 'parameter', list],
  ])('of %s: default and bounds are those of the schema, and none is missing', (_name, number, head, schema) => {
    const real = inSchema(z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' }) as Schema);
    expect(real.length).toBeGreaterThan(0);
    expect(Object.fromEntries(inDocument(number, head))).toEqual(Object.fromEntries(real));
  });
});

describe('what is shown is what a node takes and answers', () => {
  let node: TestNode;

  beforeAll(async () => {
    node = await TestNode.start();
  });

  afterAll(() => node.stop());

  /** The names of the fields, and of those within, without what is any JSON. */
  function fieldsOf(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(fieldsOf);
    if (typeof value !== 'object' || value === null) return null;
    const inner = ([name, field]: [string, unknown]) =>
      name === 'payload' || name === 'reply' || name === 'headers' ? [name] : [name, fieldsOf(field)];
    return Object.entries(value)
      .map(inner)
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  }

  test('the component of section 3 is taken and answered as it is', async () => {
    const [shown] = examples(3);
    const { status, body } = await node.put('/v1/components/shown', shown);
    expect(status).toBe(201);
    const times = { createdAt: expect.any(String), updatedAt: expect.any(String) };
    expect(body).toMatchObject({ ...shown, name: 'shown', ...times });
    const beat = await node.put('/v1/components/shown/instances/account-7d9f', { url: 'http://127.0.0.1:3002/' });
    expect(beat).toMatchObject({ status: 201 });
    const { body: found } = await node.get<Record<string, unknown>>('/v1/components/shown');
    expect(fieldsOf(found)).toEqual(fieldsOf({ ...(body as object), ...examples(3)[1] }));
  });

  test('the begin of section 4, the view and the timeline of section 6, the call of section 7', async () => {
    let confirms = 0;
    node.participant.answer = (response, asked) => {
      const isFirstConfirm = asked.call.op === 'confirm' && (confirms += 1) === 1;
      (isFirstConfirm ? raw('', 500) : json({ held: 300 }))(response, asked);
    };
    await node.component('account', { retry: { baseMs: 1 } });
    const [shownBegin] = examples(4);
    const begun = await node.post('/v1/transactions', shownBegin);
    const [shownView, shownTimeline] = examples(6) as [object, TimelineView];
    expect(begun.status).toBe(201);
    expect(fieldsOf(begun.body)).toEqual(fieldsOf(shownView));

    const settled = await node.get('/v1/transactions/order-17?wait=settled&waitMs=30000');
    expect([settled.status, settled.body.status]).toEqual([200, 'committed']);
    const timeline = await node.get<TimelineView>('/v1/transactions/order-17/timeline');
    const told = ({ at: _at, node: _node, durationMs, detail, ...event }: EventView): object => ({
      ...event,
      durationMs: typeof durationMs,
      // What a failure is described as depends on the failure.
      detail: event.kind === 'call' ? typeof detail : detail,
    });
    expect(timeline.body.events.map(told)).toEqual(shownTimeline.events.map(told));

    const [shownCall] = examples(7);
    const call = node.participant.asked.at(-1)?.call;
    expect(call).toEqual({ ...shownCall, beganAt: begun.body.beganAt });
  });

  test('the saga of section 4', async () => {
    node.participant.answer = json({ orderId: 'o-1' });
    for (const name of ['order', 'account', 'shipment']) await node.component(name);
    const [, shown] = examples(4) as [object, { branches: object[] }];
    const { status, body } = await node.post('/v1/transactions', { ...shown, gid: 'saga', wait: 'settled' });
    expect([status, body.status]).toEqual([201, 'committed']);
    expect(body).toMatchObject({ recovery: 'backward', parallel: 100 });
    const payloads = node.participant.asked.filter(({ call }) => call.gid === 'saga').map(({ call }) => call.payload);
    expect(payloads).toEqual([{ sku: 'lamp', quantity: 2 }, { orderId: 'o-1', cents: 5990 }, { orderId: 'o-1' }]);
  });

  test('the answer to a registered branch of section 5', async () => {
    const [shown] = examples(5) as [{ call: { headers: object; body: string } }];
    await node.component('account');
    await node.post('/v1/transactions', { mode: 'tcc', gid: 'order-18', drive: 'initiator' });
    const { status, body } = await node.post<typeof shown>('/v1/transactions/order-18/branches', {
      branchId: 'account',
      component: 'account',
      payload: { amount: 300 },
    });
    expect(status).toBe(201);
    expect(fieldsOf(body)).toEqual(fieldsOf(shown));
    expect(body.call.headers).toMatchObject(shown.call.headers);
    expect(JSON.parse(body.call.body)).toMatchObject(JSON.parse(shown.call.body) as object);
    await node.post('/v1/transactions/order-18/abort', { wait: 'settled' });
  });

  test('the problem of section 2', async () => {
    const [shown] = examples(2);
    const branch = { branchId: 'a', component: 'account' };
    const { status, body } = await node.send('POST', '/v1/transactions', { mode: 'tcc', branches: [branch, branch] });
    expect(status).toBe(400);
    expect(body).toEqual(shown);
  });
});
