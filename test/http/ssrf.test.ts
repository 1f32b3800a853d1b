/**
 * Nobody makes the coordinator call what the allow-list does not permit, however it is written. 127.0.0.2 stands for
 * where calls may go, 127.0.0.3 and 127.0.0.1 for where not. Names that lead elsewhere: test/participants/rebinding.
 */
import type { TransactionView } from '../../src/protocol/words.js';
import { Listener } from '../participants/listener.js';
import { json, raw, Service } from '../participants/service.js';
import { begin, TestNode } from './node.js';

/** Spellings of 127.0.0.3. */
const SPELLINGS = [
  '127.0.0.3',
  '2130706435',
  '0x7f000003',
  '0X7F.0x0.0.0x3',
  '017700000003',
  '0177.0.0.03',
  '127.3',
  '127.0.3',
  '127.0.0.3.',
  '%31%32%37.0.0.3',
  '127%2e0%2e0%2e3',
  '１２７.0.0.3',
  '①②⑦.⓪.⓪.③',
  '127。0．0｡3',
  '127.0.0.\u00ad3',
  '[::ffff:127.0.0.3]',
  '[::ffff:7f00:3]',
  '[0000:0000:0000:0000:0000:FFFF:7F00:0003]',
];
/** Spellings of what connects to 127.0.0.1. */
const HOME = ['127.0.0.1', '127.1', '0x7f.1', '0', '0.0.0.0', '00', '0x', 'localhost', 'LOCALHOST', 'localhost.'];
const NAMED_HOME = ['loc\u00adalhost', 'ｌｏｃａｌｈｏｓｔ', 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ', 'localhost。', '%6cocalhost'];
/** They carry 127.0.0.3, or the allowed 127.0.0.2. */
const CARRIERS = [
  '[64:ff9b::127.0.0.3]',
  '[64:ff9b::7f00:2]',
  '[64:ff9b:1::7f00:2]',
  '[::127.0.0.2]',
  '[::ffff:0:127.0.0.2]',
  '[2002:7f00:3::1]',
  '[2002:7f00:2::1]',
  '[2001:0:7f00:2:0:0:80ff:fffd]',
];
const ELSEWHERE = [
  '[::1]',
  '[::]',
  '10.0.0.1',
  '169.254.169.254',
  '2852039166',
  '0xa9fea9fe',
  '[::ffff:169.254.169.254]',
  '[::ffff:a9fe:a9fe]',
  '[64:ff9b::a9fe:a9fe]',
  '[fe80::1]',
  '[fd00:ec2::254]',
  '100.100.100.200',
  'metadata.google.invalid',
  '127.0.0.2.invalid',
  '127.0.0.2..',
  'xn--mnchen-3ya.invalid',
  'münchen.invalid',
];

let node: TestNode;
let allowed: Service;
let forbidden: Listener;
let home: Listener;

beforeAll(async () => {
  [allowed, forbidden, home] = await Promise.all([
    Service.start(json({ held: 300 }), '127.0.0.2'),
    Listener.start('127.0.0.3'),
    Listener.start('127.0.0.1'),
  ]);
  node = await TestNode.start({ TERCET_ALLOWED_TARGETS: '127.0.0.2' });
});

afterAll(async () => {
  await node.stop();
  await Promise.all([allowed.stop(), forbidden.stop(), home.stop()]);
});

/** The places that a URL can be put at, by the field that a refusal names. */
const PLACES: [field: string, path: string, body: (url: string) => object][] = [
  ['url', '/v1/components/new', (url) => ({ url })],
  [
    'endpoints.confirm',
    '/v1/components/new',
    (url) => ({ url: `http://127.0.0.2:${allowed.port}`, endpoints: { confirm: url } }),
  ],
  ['url', '/v1/components/account/instances/a', (url) => ({ url })],
];

async function refusedEverywhere(url: string, status: number, code: string): Promise<void> {
  const before = await node.recorded();
  for (const [field, path, body] of PLACES) {
    const answer = await node.send('PUT', path, body(url));
    expect([url, field, answer.status, answer.body.code]).toEqual([url, field, status, code]);
    expect(answer.body.errors?.map((error) => error.path)).toContain(field);
  }
  expect(await node.recorded()).toEqual(before);
}

describe('at registration', () => {
  beforeAll(async () => {
    await node.put('/v1/components/account', { url: `http://127.0.0.2:${allowed.port}` });
  });

  test.each([...SPELLINGS, ...HOME, ...NAMED_HOME, ...CARRIERS, ...ELSEWHERE])(
    'http://%s is 422, with any port and scheme',
    async (host) => {
      const urls = [`http://${host}:${forbidden.port}/tercet`, `https://${host}`, `HTTP://${host}:80/`];
      for (const url of urls) await refusedEverywhere(url, 422, 'TERCET_TARGET_FORBIDDEN');
    },
  );

  // The URL standard came to take broken Punycode for a name: Node 24 does, earlier ones do not.
  test.each(['http://xn--/', 'http://xn--7f000002.invalid/'])('%s is refused, whether it is a URL or not', (url) =>
    URL.canParse(url)
      ? refusedEverywhere(url, 422, 'TERCET_TARGET_FORBIDDEN')
      : refusedEverywhere(url, 400, 'TERCET_REQUEST_INVALID'),
  );

  test.each([
    'file:///etc/passwd',
    'gopher://127.0.0.2:70/_x',
    'data:application/json,{}',
    'ftp://127.0.0.2/',
    'ws://127.0.0.2/',
    'javascript:1',
    'blob:http://127.0.0.2/x',
    'unix:/run/postgresql',
    'http+unix://127.0.0.2/',
    'view-source:http://127.0.0.2/',
    '//127.0.0.2/',
    'http:127.0.0.2',
    'http:/127.0.0.2/',
    'http:///127.0.0.2/',
    'http:\\\\127.0.0.2\\',
    'http://\\127.0.0.2/',
    'http://',
    'http://?127.0.0.2',
    'http://user@127.0.0.2/',
    'http://user:password@127.0.0.2/',
    'http://:password@127.0.0.2/',
    'http://@127.0.0.2/',
    'http://:@127.0.0.2/',
    'http://127.0.0.2@127.0.0.3/',
    'http://127.0.0.2:80@127.0.0.3/',
    'http://127.0.0.2%40127.0.0.3/',
    'http://127.0.0.3\\@127.0.0.2/',
    'http://127.0.0.2\\@127.0.0.3/',
    'http://127.0.0.2\\..\\',
    'http://127.0.0.2#@127.0.0.3/',
    'http://127.0.0.2 @127.0.0.3/',
    'http://127.0.0.2\t/',
    'http://127.0.\t0.2/',
    'ht\ntp://127.0.0.2/',
    'http://127.0.0.2\r\nhost: 127.0.0.3',
    ' http://127.0.0.2/',
    'http://127.0.0.2/\u00a0',
    'http://127.0.0.2\u2028/',
    'http://127.0.0.2%00.example/',
    'http://127.0.0.2%09/',
    'http://127.0.0.2%2f.example/',
    'http://127.0.0.2%5c.example/',
    'http://127.0.0.2%23/',
    'http://127.0.0.2:0/',
    'http://127.0.0.2:65536/',
    'http://127.0.0.2:-1/',
    'http://127.0.0.2:80:90/',
    'http://127.0.0.2:８０/',
    'http://127.0.0.256/',
    'http://127.0.0.2.5/',
    'http://0x100000000/',
    'http://127.0.0.08/',
    'http://[127.0.0.2]/',
    'http://[::ffff:0x7f.1]/',
    'http://[::ffff:127.1]/',
    'http://[::1/',
    'http://[fe80::1%eth0]/',
    'http://[fe80::1%25eth0]/',
    'http://[::1%251]/',
  ])('%j is 400', (url) => refusedEverywhere(url, 400, 'TERCET_REQUEST_INVALID'));

  test.each(['127.0.0.2', '0x7f000002', '127.2', '[::ffff:7f00:2]'])('http://%s may be called', async (host) => {
    const url = `http://${host}:${allowed.port}`;
    expect((await node.put('/v1/components/spelled', { url })).status).toBeLessThan(300);
    const branches = [{ branchId: 'a', component: 'spelled' }];
    expect((await node.post('/v1/transactions', begin({ branches, wait: 'settled' }))).body.status).toBe('committed');
  });
});

describe('at the call', () => {
  const hosts = [...SPELLINGS, ...HOME, ...CARRIERS, '[::1]', '[::]', 'account.invalid'];
  const cases = hosts.map((host, index) => ({ host, name: `c${index}` }));
  let later: TestNode;

  /** Everything was registered while the allow-list was wide. */
  beforeAll(async () => {
    const wide = await node.beside({ TERCET_ALLOWED_TARGETS: '0.0.0.0/0,[::]/0,.invalid' });
    const retry = { tryAttempts: 1, maxAttempts: 1 };
    const put = async (path: string, body: object): Promise<void> => {
      const { status } = await wide.put(path, body);
      if (status !== 201) throw new Error(`${path}: ${status}`);
    };
    for (const { host, name } of cases) {
      const port = HOME.includes(host) ? home.port : forbidden.port;
      await put(`/v1/components/${name}`, { url: `http://${host}:${port}`, retry });
    }
    const allowedUrl = `http://127.0.0.2:${allowed.port}`;
    const forbiddenUrl = `http://127.0.0.3:${forbidden.port}`;
    await put('/v1/components/endpoint', { url: allowedUrl, endpoints: { try: `${forbiddenUrl}/x` }, retry });
    await put('/v1/components/secure', { url: `https://127.0.0.3:${forbidden.port}`, retry });
    await put('/v1/components/instance', { url: allowedUrl, retry });
    await put('/v1/components/instance/instances/a', { url: forbiddenUrl, ttlMs: 3_600_000 });
    await wide.drain();
    later = await node.beside({ TERCET_ALLOWED_TARGETS: '127.0.0.2,.invalid' });
  });

  afterAll(() => later.drain());

  async function called(name: string): Promise<TransactionView> {
    const branches = [{ branchId: 'a', component: name }];
    return (await later.post('/v1/transactions', begin({ branches, wait: 'settled' }))).body;
  }

  test.each([...cases, ...['endpoint', 'secure', 'instance'].map((name) => ({ host: `its ${name}`, name }))])(
    '$host is unknown, and nobody is connected to',
    async ({ name, host }) => {
      const { status, decision, reason } = await called(name);
      expect(['aborting', 'aborted']).toContain(status);
      // Who resolves `localhost.` is not agreed.
      const said = ['account.invalid', 'localhost.'].includes(host) ? /does not resolve|allow-list/ : /allow-list/;
      expect([decision, reason]).toEqual([
        'abort',
        { kind: 'unknown', branchId: 'a', detail: expect.stringMatching(said) },
      ]);
      expect([forbidden.connections, home.connections]).toEqual([0, 0]);
    },
  );

  test('the doctor connects to none of them either', async () => {
    const { body } = await later.get<{ checks: { name: string; detail: string }[] }>('/v1/diagnosis');
    expect(JSON.stringify(body.checks)).toContain('allow-list');
    expect([forbidden.connections, home.connections]).toEqual([0, 0]);
  });
});

describe('a redirect', () => {
  const TO: Record<string, () => string> = {
    'a forbidden address': () => `http://127.0.0.3:${forbidden.port}/try`,
    'an allowed address': () => `http://127.0.0.2:${allowed.port}/elsewhere`,
  };

  test.each([301, 302, 303, 307, 308].flatMap((status) => Object.keys(TO).map((to) => [status, to] as const)))(
    'of %d to %s is not followed: the call is unknown',
    async (status, to) => {
      const location = TO[to]?.() ?? '';
      allowed.answer = raw('', status, { location, refresh: `0; url=${location}`, 'content-location': location });
      allowed.asked.length = 0;
      const retry = { tryAttempts: 1, maxAttempts: 1 };
      await node.put(`/v1/components/redirect-${status}`, { url: `http://127.0.0.2:${allowed.port}`, retry });
      const branches = [{ branchId: 'a', component: `redirect-${status}` }];
      const { body } = await node.post('/v1/transactions', begin({ branches, wait: 'settled' }));
      expect(body.reason).toEqual({ kind: 'unknown', branchId: 'a', detail: expect.stringContaining(`${status}`) });
      expect(body.parked?.op).toBe('cancel');
      expect(allowed.asked.map(({ path }) => path)).toEqual(['/try', '/cancel']);
      expect(forbidden.connections).toBe(0);
    },
  );
});
