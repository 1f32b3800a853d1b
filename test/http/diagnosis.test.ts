/** GET /v1/diagnosis: a node tells the truth about itself, its database and the components. */
import type { CheckView, DiagnosisView } from '../../src/protocol/words.js';
import { settingsShown } from '../../src/settings-shown.js';
import { KNOWN } from '../../src/settings.js';
import { Proxy } from '../support/proxy.js';
import { begin, TestNode } from './node.js';

describe('a node', () => {
  let node: TestNode;
  let road: Proxy | undefined;

  beforeEach(async () => {
    node = await TestNode.start({ TERCET_ALLOWED_TARGETS: '127.0.0.1,[::1]', TERCET_NODE: 'looks' }, async (url) => {
      road = await Proxy.start(url);
      return road.url;
    });
  });

  afterEach(async () => {
    await node.stop();
    await road?.stop();
  });

  async function look(): Promise<DiagnosisView> {
    const { status, body } = await node.get<DiagnosisView>('/v1/diagnosis');
    expect(status).toBe(200);
    return body;
  }
  const wrong = ({ checks }: DiagnosisView): Record<string, string> =>
    Object.fromEntries(checks.filter(({ ok }) => ok === false).map(({ name, detail }) => [name, detail]));
  const check = ({ checks }: DiagnosisView, name: string): CheckView | undefined =>
    checks.find((candidate) => candidate.name === name);

  test('finds its database, itself among the nodes, and the component that is up; and calls nobody', async () => {
    await node.component('account');
    const diagnosis = await look();
    expect(diagnosis.node).toBe('looks');
    // The database of the tests does not sync.
    expect(Object.keys(wrong(diagnosis))).toEqual(['disk']);
    expect(check(diagnosis, 'nodes')?.detail).toMatch(/^looks \(lease \d/);
    expect(check(diagnosis, 'commits')?.detail).toContain('synchronous_commit is on');
    expect(check(diagnosis, 'components')?.detail).toBe('1 of 1 can be connected to');
    expect(node.participant.asked).toEqual([]);
  });

  test('names each component that does not answer, or may not be called, and why', async () => {
    await node.component('account');
    await node.put('/v1/components/down', { url: 'http://127.0.0.1:1/down' });
    await node.put('/v1/components/half', {
      endpoints: { try: `${node.participant.url}/t`, cancel: 'http://[::1]:1/c' },
    });
    await node.put('/v1/components/plain', { url: node.participant.url.replace('http:', 'https:') });
    const { disk: _disk, ...found } = wrong(await look());
    expect(found).toEqual({
      'component down': 'http://127.0.0.1:1: connection refused by 127.0.0.1:1',
      'component half': expect.stringMatching(/^http:\/\/\[::1\]:1: /),
      'component plain': expect.stringMatching(/: no TLS is spoken there/),
    });
  });

  test.each([
    ['url', { url: 'http://127.0.0.1:1/many' }],
    ['endpoints', { endpoints: { action: 'http://127.0.0.1:1/many/action' } }],
  ])('looks at the live instances of a component, where it has any, instead of its own %s', async (_name, own) => {
    await node.put('/v1/components/many', own);
    await node.put('/v1/components/many/instances/up', { url: node.participant.url, ttlMs: 60_000 });
    const { disk: _disk, ...before } = wrong(await look());
    await node.put('/v1/components/many/instances/down', { url: 'http://127.0.0.1:2/many', ttlMs: 60_000 });
    const { disk: _again, ...after } = wrong(await look());
    await node.send('DELETE', '/v1/components/many');
    expect([before, Object.values(after)]).toEqual([{}, [expect.stringContaining('http://127.0.0.1:2: ')]]);
  });

  test('counts what is unfinished, and what waits for a person', async () => {
    await node.component('account', { retry: { baseMs: 1, maxAttempts: 1 } });
    node.participant.answer = (response, { call }) => void response.writeHead(call.op === 'confirm' ? 500 : 200).end();
    await node.post('/v1/transactions', begin({ gid: 'stuck', wait: 'settled' }));
    await node.post('/v1/transactions', { mode: 'tcc', gid: 'waits', drive: 'initiator' });
    const diagnosis = await look();
    expect(check(diagnosis, 'backlog')?.detail).toBe('2 unfinished: 1 open, 1 committing, 0 aborting');
    expect(check(diagnosis, 'parked')).toMatchObject({ ok: false, detail: expect.stringContaining('1') });
  });

  test('answers while the database is away, and says so', async () => {
    road?.loseAnswers();
    const found = wrong(await look());
    road?.heal();
    expect(found['database']).toMatch(/the database does not answer/);
  });

  test('a query that it does not know is 400', async () => {
    expect((await node.get('/v1/diagnosis?deep=true')).status).toBe(400);
  });
});

describe('settings as they are shown', () => {
  const secret = 'correct-horse';

  test('no setting shows a value that nobody said is harmless, and none is left out', () => {
    const harmless =
      /^TERCET_(LISTEN|DATA_DIR|NODE|LABELS|LEASE_MS|ALLOWED_TARGETS|MIGRATE|VIEWER_SEES|RETENTION_DAYS)$|_(CERT|CA|AGE_MS)$|^TERCET_(TLS|CALL)_KEY$|^TERCET_CALL_THREAD$|^TERCET_(LOG|LOG_LEVEL|MAX_\w+|DEAD_LETTERS|HALF_TOPIC|IDS|LOCKS)$|^KAFKA_(BROKERS|SSL|SASL_MECHANISM|SASL_USERNAME)$/;
    for (const name of [...KNOWN, 'OTEL_EXPORTER_OTLP_HEADERS', 'TERCET_TO_COME']) {
      const shown = settingsShown({ [name]: secret }).join();
      if (!harmless.test(name)) expect([name, shown]).toEqual([name, expect.not.stringContaining(secret)]);
      const isOurs = name !== 'TERCET_URL' && name !== 'TERCET_KEY' && name !== 'TERCET_TO_COME';
      expect([name, shown.includes(name)]).toEqual([name, isOurs]);
    }
  });

  test('of a database user, host and name are shown; of keys the names and roles', () => {
    expect(
      settingsShown({
        DATABASE_URL: `postgres://tercet:${secret}@db:5433/log?sslmode=require&password=${secret}`,
        TERCET_KEYS: `ops:operator:${'0a'.repeat(32)}, order:initiator+component=order:${'0b'.repeat(32)} ${'c'.repeat(64)}`,
        TERCET_LEASE_MS: '',
        REDIS_URL: `redis://:${secret}@a:6379,rediss://me:${secret}@b:6380/1?x=${secret}`,
      }),
    ).toEqual([
      'DATABASE_URL=postgres://tercet@db:5433/log',
      'REDIS_URL=redis://a:6379,rediss://me@b:6380/1',
      'TERCET_KEYS of ops (operator), order (initiator+component=order), something that is no entry',
    ]);
  });
});
