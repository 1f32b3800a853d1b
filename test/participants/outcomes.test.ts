/** G12, what each answer of a participant means: the table of docs/wire.md, section 7. */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { AllowList } from '../../src/participants/allow-list.js';
import { HttpParticipants } from '../../src/participants/http.js';
import { PoolSender } from '../../src/participants/sender.js';
import { ManualClock, NOON } from './manual-clock.js';
import { request } from './request.js';
import { json, raw, Service } from './service.js';
import type { Answer } from './service.js';

let clock: ManualClock;
let participants: HttpParticipants;
let service: Service;

beforeEach(async () => {
  clock = new ManualClock();
  participants = new HttpParticipants(new PoolSender(new AllowList('127.0.0.0/8'), clock), clock);
  service = await Service.start();
});

afterEach(async () => {
  await participants.close();
  await service.stop();
});

const asked = (answer: Answer) => {
  service.answer = answer;
  return participants.call(request(service.url));
};
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const KIB_64 = 64 * 1024;

describe('done', () => {
  test.each([
    ['200 with an object', json({ held: 300 }), '{"held":300}'],
    ['201 with a number', json(7, 201), '7'],
    ['JSON under another content type', raw('true', 200, { 'content-type': 'text/plain' }), 'true'],
    ['200 with null', json(null), 'null'],
    ['spaces and key order as they came', raw('{ "b": 1,\n "a": 1.50 }'), '{ "b": 1,\n "a": 1.50 }'],
    ['the largest exact integers', raw('[9007199254740991,-9007199254740991]'), '[9007199254740991,-9007199254740991]'],
    ['a key that JavaScript treats apart', raw('{"__proto__":{"a":1}}'), '{"__proto__":{"a":1}}'],
    ['64 levels', raw(nested(64)), nested(64)],
    ['64 KiB', raw(`"${'x'.repeat(KIB_64 - 2)}"`), `"${'x'.repeat(KIB_64 - 2)}"`],
  ])('%s', async (_name, answer, reply) => {
    expect(await asked(answer)).toEqual({ kind: 'done', reply });
  });

  test.each([
    ['200 without a body', raw('')],
    ['204', raw('', 204)],
  ])('%s is done with the reply null', async (_name, answer) => {
    expect(await asked(answer)).toEqual({ kind: 'done', reply: null });
  });
});

describe('refused', () => {
  test('a reason as long as a book is cut: it stands in every answer about the transaction', async () => {
    const outcome = await asked(json({ reason: 'no '.repeat(10_000) }, 409));
    expect(outcome).toEqual({ kind: 'refused', reason: 'no '.repeat(334).slice(0, 1000) });
  });

  test('409 with a reason', async () => {
    expect(await asked(json({ reason: 'too little money', more: 1 }, 409))).toEqual({
      kind: 'refused',
      reason: 'too little money',
    });
  });

  test.each([
    ['no body', raw('', 409)],
    ['a page of a proxy', raw('<html>conflict</html>', 409)],
    ['JSON without a reason', json({ error: 'no' }, 409)],
    ['a reason that is no text', json({ reason: 17 }, 409)],
    ['a list', json(['reason'], 409)],
    ['null', json(null, 409)],
    ['bytes that are not UTF-8', raw(Buffer.from('7b22726561736f6e223a22ff227d', 'hex'), 409)],
  ])('a 409 with %s is unknown, not refused', async (_name, answer) => {
    expect(await asked(answer)).toMatchObject({
      kind: 'unknown',
      detail: expect.stringMatching(/^answered 409 without a JSON body that has a reason/) as string,
    });
  });
});

describe('pending', () => {
  const inSeconds = (seconds: number): string => new Date(NOON + seconds * 1000).toUTCString();

  test.each([
    ['without Retry-After', {}, null],
    ['with seconds', { 'retry-after': '7' }, 7000],
    ['with an HTTP date', { 'retry-after': inSeconds(90) }, 90_000],
    ['with a date that is over', { 'retry-after': inSeconds(-90) }, 0],
    ['with more than a day', { 'retry-after': '9999999' }, 86_400_000],
    ['with nonsense', { 'retry-after': 'soon' }, null],
  ])('425 %s', async (_name, headers: Record<string, string>, retryAfterMs) => {
    expect(await asked(raw('', 425, headers))).toEqual({ kind: 'pending', retryAfterMs });
  });
});

describe('unknown', () => {
  test.each([
    ['a 2xx that is not JSON', raw('<html>Welcome</html>'), /^answered 200 whose body is not JSON: <html>/],
    ['a 2xx whose body is not UTF-8', raw(Buffer.from('22ff22', 'hex')), /^answered 200 whose body is not UTF-8/],
    ['a 2xx with an integer beyond 2^53-1', raw('{"id":9007199254740993}'), /holds the number 9007199254740993/],
    ['a 2xx with U+0000', raw('{"name":"a\\u0000b"}'), /holds the character U\+0000/],
    ['a 2xx of 65 levels', raw(nested(65)), /nested more than 64 levels/],
    ['an answer of more than 64 KiB', raw(`"${'x'.repeat(KIB_64)}"`), /^answered more than 65536 bytes/],
    ['a refusal of more than 64 KiB', json({ reason: 'x'.repeat(KIB_64) }, 409), /^answered more than 65536 bytes/],
    ['400', json({ reason: 'bad' }, 400), /^answered 400: {"reason":"bad"}/],
    ['404', raw('', 404), /^answered 404$/],
    ['429', raw('', 429, { 'retry-after': '5' }), /^answered 429$/],
    ['500', raw('oops', 500), /^answered 500: oops/],
    ['a page of many lines', raw('<html>\r\n\t<h1>Bad</h1>\0\n', 502), /^answered 502: <html> <h1>Bad<\/h1>$/],
    ['a body of spaces', raw(' \n'), /^answered 200 whose body is not JSON$/],
    ['503', raw('', 503), /^answered 503$/],
  ])('%s', async (_name, answer, detail) => {
    expect(await asked(answer)).toEqual({ kind: 'unknown', detail: expect.stringMatching(detail) as string });
  });

  test('what is said of an answer is short', async () => {
    const { detail } = (await asked(raw('x'.repeat(5000), 500))) as { detail: string };
    expect(detail.length).toBeLessThan(250);
  });

  test('what is said of an answer ends with a whole character: half of one is no text to PostgreSQL', async () => {
    const { detail } = (await asked(raw(`${'x'.repeat(199)}😀`, 500))) as { detail: string };
    expect(detail).toBe(`answered 500: ${'x'.repeat(199)}\ufffd`);
    const halves = json({ reason: `a\ud83d ${'😀'.repeat(1000)}` }, 409);
    expect(await asked(halves)).toEqual({ kind: 'refused', reason: `a\ufffd ${'😀'.repeat(498)}\ufffd` });
  });

  test.each([301, 302, 303, 307, 308])('a redirect with %d, which is not followed', async (status) => {
    const other = await Service.start();
    const outcome = await asked(raw('', status, { location: `${other.url}/try` }));
    await other.stop();
    expect(outcome).toEqual({ kind: 'unknown', detail: `answered ${status}` });
    expect(other.asked).toEqual([]);
  });

  test('no answer within timeoutMs', async () => {
    service.answer = () => {};
    const outcome = participants.call(request(service.url));
    await service.wasAsked(1);
    clock.pass(2999);
    service.answer = json({ second: true });
    const other = participants.call(request(service.url));
    expect(await other).toMatchObject({ kind: 'done' });
    clock.pass(1);
    expect(await outcome).toEqual({ kind: 'unknown', detail: 'no answer within 3000 ms' });
  });

  test('an answer that begins and does not end within timeoutMs', async () => {
    const begun = new Promise<void>((resolve) => {
      service.answer = (response) => {
        response.writeHead(200);
        response.write('{"held":', () => resolve());
      };
    });
    const outcome = participants.call(request(service.url));
    await begun;
    clock.pass(3000);
    expect(await outcome).toEqual({ kind: 'unknown', detail: 'no answer within 3000 ms' });
  });

  test('a connection that breaks before the answer', async () => {
    expect(await asked((response) => void response.destroy())).toMatchObject({ kind: 'unknown' });
  });

  test('a connection that breaks within the answer', async () => {
    const outcome = await asked((response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"held":', () => response.destroy());
    });
    expect(outcome).toMatchObject({ kind: 'unknown' });
  });

  test('nobody listens', async () => {
    const gone = await Service.start();
    await gone.stop();
    const outcome = await participants.call(request(gone.url));
    expect(outcome).toMatchObject({
      kind: 'unknown',
      detail: expect.stringMatching(/^connection refused by 127\.0\.0\.1:\d+$/) as string,
    });
  });

  test('an answer that is no HTTP', async () => {
    const server = await lineServer('hello, who is there?\r\n');
    const { port } = server.address() as AddressInfo;
    const outcome = await participants.call(request(`http://127.0.0.1:${port}`));
    await new Promise((resolve) => server.close(resolve));
    expect(outcome).toMatchObject({ kind: 'unknown' });
  });

  test('a call that is stopped ends at once, and the service sees the connection close', async () => {
    let stop = (): void => undefined;
    const whenStopped = (cut: () => void): void => {
      stop = cut;
    };
    const closed = new Promise<void>((resolve) => {
      service.answer = (response) => void response.once('close', resolve);
    });
    const outcome = participants.call(request(service.url, { whenStopped }));
    await service.wasAsked(1);
    stop();
    expect(await outcome).toEqual({ kind: 'unknown', detail: 'this node stopped waiting' });
    await closed;
  });
});

test('an answer comes before the timer: the timer does nothing to the next call on the connection', async () => {
  expect(await asked(json({ first: true }))).toMatchObject({ kind: 'done' });
  clock.pass(2000);
  service.answer = () => {};
  const outcome = participants.call(request(service.url));
  await service.wasAsked(2);
  clock.pass(2000);
  const settled = await Promise.race([outcome, Promise.resolve('still waiting')]);
  expect(settled).toBe('still waiting');
  clock.pass(1000);
  expect(await outcome).toMatchObject({ kind: 'unknown' });
});

function lineServer(line: string): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer((socket: Socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(line));
    });
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
