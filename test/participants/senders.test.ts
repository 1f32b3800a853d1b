/** What both senders hold: the one in the engine's thread, and the one in a thread of its own. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { SecureContextOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { AllowList } from '../../src/participants/allow-list.js';
import type { Result } from '../../src/participants/exchange.js';
import { PoolSender } from '../../src/participants/sender.js';
import type { Outgoing, Sender } from '../../src/participants/sender.js';
import { ThreadSender } from '../../src/participants/thread-sender.js';
import { SystemClock } from '../../src/system-clock.js';
import { Authority } from '../support/certificate.js';
import { json, raw, Service } from './service.js';

/** As it is built: a thread of Node has nothing that reads TypeScript. */
const BUILT = new URL('../../dist/src/calls-thread.js', import.meta.url);
const ALLOWED = '127.0.0.0/8';

const makers: [string, (allowed: string, tls: SecureContextOptions | null) => Sender][] = [
  ['the thread of the engine', (allowed, tls) => new PoolSender(new AllowList(allowed), new SystemClock(), tls)],
  ['a thread of its own', (allowed, tls) => new ThreadSender(BUILT, { allowed, tls })],
];

describe.each(makers)('from %s', (_title, make) => {
  let service: Service;
  let opened: Sender[];
  let sender: Sender;

  const open = (allowed = ALLOWED, tls: SecureContextOptions | null = null): Sender => {
    const made = make(allowed, tls);
    opened.push(made);
    return made;
  };
  const send = (over: Partial<Outgoing> = {}, from = sender): Promise<Result> =>
    new Promise((resolve) => void from.send(outgoing(service, over), resolve));

  beforeEach(async () => {
    service = await Service.start();
    opened = [];
    sender = open();
  });
  afterEach(async () => {
    await Promise.all(opened.map((each) => each.close()));
    await service.stop();
  });

  test('headers and body arrive as they were given, to the letter', async () => {
    const body = '{ "for": "Zoë ☂ 😀", "n": 1.50 }';
    const headers = ['content-type', 'application/json', 'tercet-gid', 'order-17'];
    await send({ url: `${service.url}/reserve?shop=1&x=%20`, headers, body });
    expect(service.asked).toEqual([
      expect.objectContaining({
        method: 'POST',
        path: '/reserve?shop=1&x=%20',
        text: body,
        headers: expect.objectContaining({ 'content-type': 'application/json', 'tercet-gid': 'order-17' }) as object,
      }),
    ]);
  });

  test.each([
    ['done', json({ held: '😀' }), { outcome: { kind: 'done', reply: '{"held":"😀"}' }, isAlive: true }],
    ['done without a reply', raw('', 204), { outcome: { kind: 'done', reply: null }, isAlive: true }],
    ['refused', json({ reason: 'no' }, 409), { outcome: { kind: 'refused', reason: 'no' }, isAlive: true }],
    [
      'pending',
      raw('', 425, { 'retry-after': '7' }),
      { outcome: { kind: 'pending', retryAfterMs: 7000 }, isAlive: true },
    ],
    ['pending for ever', raw('', 425), { outcome: { kind: 'pending', retryAfterMs: null }, isAlive: true }],
    ['unknown', raw('oops', 500), { outcome: { kind: 'unknown', detail: 'answered 500: oops' }, isAlive: true }],
    ['overloaded', raw('', 503), { outcome: { kind: 'unknown', detail: 'answered 503' }, isAlive: false }],
  ])('an answer is what it means: %s', async (_name, answer, result) => {
    service.answer = answer;
    expect(await send()).toEqual({ ...result, hasLeft: true });
  });

  test.each([false, null] as const)('no answer in time is unknown; to the breaker it is %s', async (lateIsAlive) => {
    // So that there is a connection.
    await send();
    service.answer = () => {};
    expect(await send({ timeoutMs: 200, lateIsAlive })).toEqual({
      outcome: { kind: 'unknown', detail: 'no answer within 200 ms' },
      isAlive: lateIsAlive,
      hasLeft: true,
    });
  });

  test('where nobody listens nothing has left', async () => {
    const gone = await Service.start();
    await gone.stop();
    const detail = expect.stringMatching(/^connection refused by 127\.0\.0\.1:\d+$/) as string;
    expect(await send({ url: gone.url })).toEqual({
      outcome: { kind: 'unknown', detail },
      isAlive: false,
      hasLeft: false,
    });
  });

  test.each([
    ['an address', '127.0.0.9/32', (url: string) => url, /^127\.0\.0\.1 is not on the allow-list$/],
    [
      'what a name leads to',
      '127.0.0.9/32',
      (url: string) => url.replace('127.0.0.1', 'localhost'),
      /^localhost resolves to .+, which the allow-list does not permit$/,
    ],
  ])('%s that is not on the allow-list is not called', async (_name, allowed, urlOf, detail) => {
    const result = await send({ url: urlOf(service.url) }, open(allowed));
    expect(result).toEqual({
      outcome: { kind: 'unknown', detail: expect.stringMatching(detail) as string },
      isAlive: false,
      hasLeft: false,
    });
    expect(service.asked).toEqual([]);
  });

  test('over TLS a service of the given authority is called and shown a certificate, and another is not', async () => {
    const [ours, theirs] = [new Authority('ours'), new Authority('theirs')];
    const { cert, key } = ours.issue('the coordinator');
    const secure = open(ALLOWED, { ca: Buffer.from(ours.cert), cert: Buffer.from(cert), key: Buffer.from(key) });
    const demanding = { ca: ours.cert, requestCert: true, rejectUnauthorized: true };
    const services = [ours, theirs].map((each) =>
      Service.start(json({ held: 1 }), '127.0.0.1', { ...each.issue(), ...demanding }),
    );
    const [trusted, stranger] = await Promise.all(services);
    const results = [await send({ url: trusted!.url }, secure), await send({ url: stranger!.url }, secure)];
    await Promise.all([trusted!.stop(), stranger!.stop()]);
    expect(results).toMatchObject([{ outcome: { kind: 'done' } }, { outcome: { kind: 'unknown' }, hasLeft: false }]);
    expect(stranger!.asked).toEqual([]);
  });

  test('what has not left in its time does not leave, and nothing of it came to the service', async () => {
    const postponed = { outcome: { kind: 'postponed', retryAfterMs: 100 }, isAlive: null, hasLeft: false };
    const now = (): number => performance.now();
    expect(await send({ leaveBy: now() - 1 })).toEqual(postponed);
    // There is a connection now, and one that is late leaves it to the next.
    expect(await send({ leaveBy: now() + 60_000 })).toMatchObject({ outcome: { kind: 'done' } });
    expect(await send({ leaveBy: now() - 1 })).toEqual(postponed);
    expect(service.asked).toHaveLength(1);
  });

  test('nor does it leave when the process stood still before it did: others may drive by now', async () => {
    const leaveBy = performance.now() + 20;
    const results = [send({ leaveBy }), send({ leaveBy })];
    while (performance.now() <= leaveBy);
    const kinds = (await Promise.all(results)).map(({ outcome }) => outcome.kind);
    expect([kinds, service.asked]).toEqual([['postponed', 'postponed'], []]);
  });

  test('a request that is stopped ends, and the service sees the connection close', async () => {
    const closed = new Promise<void>((resolve) => {
      service.answer = (response) => void response.once('close', resolve);
    });
    let stop = (): void => undefined;
    const result = new Promise<Result>((resolve) => {
      stop = sender.send(outgoing(service), resolve);
    });
    await service.wasAsked(1);
    stop();
    expect(await result).toEqual({
      outcome: { kind: 'unknown', detail: 'this node stopped waiting' },
      isAlive: null,
      hasLeft: true,
    });
    await closed;
    // It is over: nothing comes of that.
    stop();
  });

  test('hundreds at once, of which each has another answer, are not mixed up', async () => {
    service.answer = (response, asked) => json(asked.call)(response, asked);
    const results = await Promise.all(Array.from({ length: 300 }, (_, n) => send({ body: `{"n":${n}}` })));
    expect(results.map(({ outcome }) => outcome)).toEqual(
      Array.from({ length: 300 }, (_, n) => ({ kind: 'done', reply: `{"n":${n}}` })),
    );
  });

  test('closing cuts what is under way, which ends then', async () => {
    service.answer = () => {};
    const results = [send(), send()];
    await service.wasAsked(2);
    await sender.close();
    const cut = { outcome: { kind: 'unknown', detail: 'this node stops' }, isAlive: false, hasLeft: true };
    expect(await Promise.all(results)).toEqual([cut, cut]);
    await sender.close();
  });
});

describe('the thread', () => {
  test('tells how long it was busy', async () => {
    const service = await Service.start();
    const sender = new ThreadSender(BUILT, { allowed: ALLOWED, tls: null });
    const from = performance.now();
    for (let sent = 0; sent < 20; sent += 1) {
      await new Promise((resolve) => sender.send(outgoing(service), resolve));
    }
    expect(sender.busyMs).toBeGreaterThan(0);
    expect(sender.busyMs).toBeLessThan(performance.now() - from);
    await sender.close();
    await service.stop();
  });

  test('an error that nobody caught in it ends the process: others take over', async () => {
    const sender = fileURLToPath(new URL('../../dist/src/participants/thread-sender.js', import.meta.url));
    const program = `
      import { ThreadSender } from ${JSON.stringify(sender)};
      new ThreadSender(new URL('data:text/javascript,throw new Error("a defect")'), {});
      setInterval(() => {}, 1000);
    `;
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], { timeout: 50_000 });
    await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('a defect') as string });
  });
});

function outgoing(service: Service, over: Partial<Outgoing> = {}): Outgoing {
  return {
    url: `${service.url}/try`,
    headers: [],
    body: '{}',
    timeoutMs: 60_000,
    lateIsAlive: false,
    leaveBy: Infinity,
    ...over,
  };
}
