/** What is shown of transactions and components: docs/wire.md, sections 3 and 6. */
import type { ComponentView, EventView, TimelineView, TransactionView } from '../../src/protocol/words.js';
import { json } from '../participants/service.js';
import type { Answer } from '../participants/service.js';
import { begin, TestNode } from './node.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start({ TERCET_NODE: 'node-1' });
});

afterAll(() => node.stop());

beforeEach(() => {
  node.participant.answer = json({ held: 300 });
});

interface Page {
  transactions: TransactionView[];
  next: string | null;
}

const page = async (query: Record<string, string> = {}): Promise<Page> => {
  const { status, body } = await node.get<Page>(`/v1/transactions?${new URLSearchParams(query).toString()}`);
  expect(status).toBe(200);
  return body;
};
const gidsOf = ({ transactions }: Page): string[] => transactions.map(({ gid }) => gid);
const timelineOf = async (gid: string): Promise<EventView[]> =>
  (await node.get<TimelineView>(`/v1/transactions/${gid}/timeline`)).body.events;
/** The first confirm is answered by `first`, all else as usual. */
const confirmOnce = (first: Answer): void => {
  let isFirst = true;
  node.participant.answer = (response, asked) => {
    const answer = asked.call.op === 'confirm' && isFirst ? first : json({ held: 300 });
    if (asked.call.op === 'confirm') isFirst = false;
    answer(response, asked);
  };
};

describe('a list', () => {
  const ISO = (time: number): string => new Date(time).toISOString();
  let all: TransactionView[];

  beforeAll(async () => {
    await node.component('account');
    await node.component('stock');
    await node.component('dead', { retry: { maxAttempts: 1 } });
    const branch = (component: string) => ({ branches: [{ branchId: 'a', component }] });
    node.participant.answer = (response, asked) => {
      if (asked.call.gid === 'aborted' && asked.call.op === 'try') json({ reason: 'no' }, 409)(response, asked);
      else json({}, asked.path.startsWith('/dead/confirm') ? 500 : 200)(response, asked);
    };
    await node.post('/v1/transactions', begin({ gid: 'committed', wait: 'settled', businessKey: 'ä & b' }));
    await node.post('/v1/transactions', begin({ gid: 'aborted', wait: 'settled', businessKey: 'k-2' }));
    await node.post('/v1/transactions', begin({ gid: 'stock', wait: 'settled', ...branch('stock') }));
    await node.post('/v1/transactions', begin({ gid: 'parked', wait: 'settled', ...branch('dead') }));
    await node.post('/v1/transactions', { mode: 'tcc', gid: 'open', drive: 'initiator', deadlineMs: 3_600_000 });
    ({ transactions: all } = await page());
  });

  test('shows each as it is shown alone, newest first', async () => {
    expect(all.map(({ gid }) => gid)).toEqual(['open', 'parked', 'stock', 'aborted', 'committed']);
    for (const tx of all) expect((await node.get(`/v1/transactions/${tx.gid}`)).body).toEqual(tx);
    expect(all.map(({ status }) => status)).toEqual(['open', 'committing', 'committed', 'aborted', 'committed']);
  });

  test.each<[Record<string, string>, string[]]>([
    [{ status: 'open' }, ['open']],
    [{ status: 'committed' }, ['stock', 'committed']],
    [{ status: 'committing' }, ['parked']],
    [{ status: 'aborting' }, []],
    [{ mode: 'tcc' }, ['open', 'parked', 'stock', 'aborted', 'committed']],
    [{ mode: 'saga' }, []],
    [{ component: 'stock' }, ['stock']],
    [{ component: 'account' }, ['aborted', 'committed']],
    [{ component: 'nobody' }, []],
    [{ businessKey: 'ä & b' }, ['committed']],
    [{ businessKey: 'K-2' }, []],
    [{ parked: 'true' }, ['parked']],
    [{ parked: 'false' }, ['open', 'stock', 'aborted', 'committed']],
    [{ status: 'committed', component: 'account' }, ['committed']],
    [{ status: 'aborted', parked: 'true' }, []],
  ])('with %j', async (query, gids) => {
    expect(gidsOf(await page(query))).toEqual(gids);
  });

  test('from and to take in the moment that they name, in whatever zone it is written', async () => {
    const time = (gid: string): number => Date.parse(all.find((tx) => tx.gid === gid)?.beganAt ?? '');
    const from = ISO(time('aborted'));
    const to = ISO(time('parked'));
    expect(gidsOf(await page({ from, to }))).toEqual(['parked', 'stock', 'aborted']);
    expect(gidsOf(await page({ from: ISO(time('aborted') + 1), to: ISO(time('parked') - 1) }))).toEqual(['stock']);
    const inIndia = `${ISO(time('parked') + 5.5 * 3_600_000).slice(0, -1)}+05:30`;
    expect(gidsOf(await page({ from: inIndia }))).toEqual(['open', 'parked']);
  });

  test('page by page shows each once, whatever begins meanwhile', async () => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const shown: Page = await page({ limit: '2', status: 'committed', ...(after === null ? {} : { after }) });
      expect(shown.transactions.length).toBeLessThanOrEqual(2);
      seen.push(...gidsOf(shown));
      after = shown.next;
      await node.post('/v1/transactions', begin({ wait: 'settled' }));
    } while (after !== null);
    expect(seen).toEqual(['stock', 'committed']);
  });

  test('a page that ends with the last one has no next', async () => {
    const { transactions, next } = await page({ businessKey: 'k-2', limit: '1' });
    expect([transactions.length, next]).toEqual([1, null]);
    const first = await page({ component: 'account', limit: '1' });
    expect([first.transactions.length, typeof first.next]).toEqual([1, 'string']);
  });
});

describe('a timeline', () => {
  const told = (events: EventView[]): string[] =>
    events.map(({ kind, op, attempt, outcome, detail, count }) =>
      [kind, op, attempt, outcome, detail, count && `×${count}`].filter((part) => part !== undefined).join(' '),
    );

  beforeEach(() => node.component('account', { retry: { baseMs: 1, capMs: 1, maxAttempts: 2 } }));

  test('has every call, attempt, outcome and decision, oldest first, and who made them', async () => {
    confirmOnce(json({ why: 'oops' }, 500));
    await node.post('/v1/transactions', begin({ gid: 't-1', wait: 'settled' }));
    const events = await timelineOf('t-1');
    expect(told(events)).toEqual([
      'begun',
      'call try 1 done',
      'decided commit',
      'call confirm 1 unknown answered 500: {"why":"oops"}',
      'call confirm 2 done',
      'ended committed',
    ]);
    expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).sort());
    expect(new Set(events.map((event) => event.node))).toEqual(new Set(['node-1']));
    for (const { kind, branchId, durationMs } of events) {
      expect([branchId, typeof durationMs]).toEqual(kind === 'call' ? ['a', 'number'] : [undefined, 'undefined']);
    }
  });

  test('of a refused one says who refused, and why', async () => {
    node.participant.answer = (response, asked) =>
      (asked.call.op === 'try' ? json({ reason: 'sold out' }, 409) : json({}))(response, asked);
    await node.post('/v1/transactions', begin({ gid: 't-2', wait: 'settled' }));
    const events = await timelineOf('t-2');
    expect(told(events)).toEqual([
      'begun',
      'call try 1 refused sold out',
      'decided abort: refused, sold out',
      'call cancel 1 done',
      'ended aborted',
    ]);
    expect(events[2]?.branchId).toBe('a');
  });

  test('tells pending answers in a row as one, with their count', async () => {
    let asked = 0;
    node.participant.answer = (response, { call }) =>
      void response.writeHead(call.op === 'try' && (asked += 1) < 4 ? 425 : 200).end();
    await node.post('/v1/transactions', begin({ gid: 't-3', wait: 'settled' }));
    expect(told(await timelineOf('t-3'))).toEqual([
      'begun',
      'call try 1 pending ×3',
      'call try 1 done',
      'decided commit',
      'call confirm 1 done',
      'ended committed',
    ]);
  });

  test('says why one was parked, and who let it go on for what reason', async () => {
    node.participant.answer = (response, { call }) => void response.writeHead(call.op === 'confirm' ? 500 : 200).end();
    const parked = await node.post('/v1/transactions', begin({ gid: 't-4', wait: 'settled' }));
    expect(parked.body.parked).toMatchObject({ branchId: 'a', op: 'confirm' });
    node.participant.answer = json({});
    const { status, body } = await node.post('/v1/transactions/t-4/resume', { reason: 'disk replaced' });
    expect([status, body.parked]).toEqual([200, null]);
    expect((await node.get('/v1/transactions/t-4?wait=settled')).body.status).toBe('committed');
    const failed = 'confirm failed 2 times, the last time: answered 500';
    expect(told(await timelineOf('t-4'))).toEqual([
      'begun',
      'call try 1 done',
      'decided commit',
      'call confirm 1 unknown answered 500',
      'call confirm 2 unknown answered 500',
      `parked confirm ${failed}`,
      'operator resume by operator: disk replaced',
      'call confirm 1 done',
      'ended committed',
    ]);
  });

  test('of one that an initiator drives has its decision and what became of it', async () => {
    await node.post('/v1/transactions', { mode: 'tcc', gid: 't-5', drive: 'initiator' });
    await node.post('/v1/transactions/t-5/abort', { reason: 'gone', wait: 'settled' });
    expect(told(await timelineOf('t-5'))).toEqual(['begun', 'decided abort: requested, gone', 'ended aborted']);
  });
});

test('resuming one that is not parked answers 200 and changes nothing', async () => {
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'not-parked', drive: 'initiator', deadlineMs: 3_600_000 });
  const before = await node.recorded();
  const { status, body } = await node.post('/v1/transactions/not-parked/resume', { reason: 'why not' });
  expect([status, body.status]).toEqual([200, 'open']);
  expect(await node.recorded()).toEqual(before);
});

describe('components', () => {
  const put = (name: string, body: object) => node.put<ComponentView>(`/v1/components/${name}`, body);
  const get = (name: string) => node.get<ComponentView>(`/v1/components/${name}`);
  const url = 'http://127.0.0.1:1/c';

  test('one is stored with its defaults, and shown as it was answered', async () => {
    const { status, body } = await put('new', { url });
    const policy = {
      timeoutMs: 3000,
      concurrency: 256,
      retry: {
        baseMs: 200,
        factor: 2,
        capMs: 30_000,
        jitter: 0.2,
        maxAttempts: 25,
        maxAgeMs: 86_400_000,
        tryAttempts: 3,
      },
      check: { afterMs: 6000, intervalMs: 30_000, maxAttempts: 15 },
    };
    expect(status).toBe(201);
    expect(body).toEqual({
      name: 'new',
      url,
      endpoints: {},
      ...policy,
      effective: {
        ...policy,
        callsPerSecond: null,
        paused: false,
        sources: expect.objectContaining({
          timeoutMs: 'registration',
          'retry.capMs': 'registration',
          paused: 'default',
        }),
      },
      version: null,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: body.createdAt,
      calls: { inFlight: 0, failureRate: 0, breaker: 'closed' },
      instances: [],
    });
    expect(await get('new')).toMatchObject({ status: 200, body });
  });

  test('the same again changes nothing; another replaces it, and keeps when it was made', async () => {
    const first = await put('again', { url });
    const same = await put('again', { timeoutMs: 3000, url });
    expect([same.status, same.body]).toEqual([200, first.body]);
    const other = await put('again', { endpoints: { try: `${url}?a=1` }, version: '2' });
    expect(other.status).toBe(200);
    expect(other.body).toMatchObject({ url: null, endpoints: { try: `${url}?a=1` }, version: '2' });
    expect(other.body.createdAt).toBe(first.body.createdAt);
    expect(Date.parse(other.body.updatedAt)).toBeGreaterThanOrEqual(Date.parse(first.body.updatedAt));
    expect((await get('again')).body).toEqual(other.body);
  });

  test('one that is taken out is gone, and new when it comes back', async () => {
    await put('brief', { url });
    const { status, body } = await node.send('DELETE', '/v1/components/brief');
    expect([status, body]).toEqual([204, null]);
    expect((await get('brief')).status).toBe(404);
    expect((await node.send('DELETE', '/v1/components/brief')).status).toBe(404);
    expect((await put('brief', { url })).status).toBe(201);
  });

  test('all are listed by name, without those that were taken out', async () => {
    for (const name of ['z', 'A', 'a.b', 'gone']) await put(name, { url });
    await node.send('DELETE', '/v1/components/gone');
    const { status, body } = await node.get<{ components: ComponentView[] }>('/v1/components');
    const names = body.components.map(({ name }) => name);
    expect(status).toBe(200);
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(expect.arrayContaining(['A', 'a.b', 'z']));
    expect(names).not.toContain('gone');
    expect(body.components.find(({ name }) => name === 'z')).toEqual((await get('z')).body);
  });

  test('endpoints win over the url, and slashes at the end of the url do not count', async () => {
    const { url: base } = node.participant;
    await put('mixed', { url: `${base}/mixed//`, endpoints: { confirm: `${base}/elsewhere?take=1` } });
    const asked = node.participant.asked.length;
    const branches = [{ branchId: 'a', component: 'mixed' }];
    expect((await node.post('/v1/transactions', begin({ wait: 'settled', branches }))).status).toBe(201);
    const paths = node.participant.asked.slice(asked).map(({ path }) => path);
    expect(paths).toEqual(['/mixed/try', '/elsewhere?take=1']);
  });

  test('a replaced url is used by a transaction that runs already', async () => {
    const { url: base } = node.participant;
    await put('moving', { url: `${base}/old`, retry: { baseMs: 20, capMs: 20 } });
    node.participant.answer = (response, { path }) =>
      void response.writeHead(path === '/old/confirm' ? 500 : 200).end('{}');
    const branches = [{ branchId: 'a', component: 'moving' }];
    await node.post('/v1/transactions', begin({ gid: 'moving', branches }));
    await put('moving', { url: `${base}/new` });
    expect((await node.get('/v1/transactions/moving?wait=settled')).body.status).toBe('committed');
    expect(node.participant.asked.at(-1)?.path).toBe('/new/confirm');
  });

  test('one that an unfinished transaction uses stays until its end', async () => {
    await node.component('used');
    await node.post('/v1/transactions', {
      mode: 'tcc',
      gid: 'user',
      drive: 'initiator',
      branches: [{ branchId: 'a', component: 'used' }],
    });
    expect((await node.send('DELETE', '/v1/components/used')).status).toBe(409);
    await node.post('/v1/transactions/user/abort', { wait: 'settled' });
    expect((await node.send('DELETE', '/v1/components/used')).status).toBe(204);
  });
});
