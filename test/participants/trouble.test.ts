/** Why a call came to nothing is said in words, short enough for a timeline of 80 columns. */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { AllowList } from '../../src/participants/allow-list.js';
import { HttpParticipants } from '../../src/participants/http.js';
import { PoolSender } from '../../src/participants/sender.js';
import { described } from '../../src/participants/trouble.js';
import { ManualClock } from './manual-clock.js';
import { request } from './request.js';

/** What is left of 80 columns beside when, who, what and how often. */
const COLUMNS = 48;

let participants: HttpParticipants;
let server: Server | null = null;

beforeEach(() => {
  participants = new HttpParticipants(
    new PoolSender(new AllowList('127.0.0.0/8,[::1],.invalid,localhost'), new ManualClock()),
    new ManualClock(),
  );
});

afterEach(async () => {
  await participants.close();
  const open = server;
  server = null;
  if (open) await new Promise((resolve) => open.close(resolve));
});

/** A server on loopback that does this with the first bytes of a call. */
async function listening(answer: (socket: Socket) => void): Promise<string> {
  const made = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  server = made;
  return `127.0.0.1:${(made.address() as AddressInfo).port}`;
}

async function detailOf(url: string): Promise<string> {
  const outcome = await participants.call(request(url));
  return outcome.kind === 'unknown' ? outcome.detail : outcome.kind;
}

test.each<[string, (socket: Socket) => void, RegExp]>([
  ['closes', (socket) => socket.end(), /^connection closed before an answer came$/],
  ['resets', (socket) => socket.resetAndDestroy(), /^connection reset before an answer came$/],
  ['is no HTTP server', (socket) => socket.end('hello, who is there?\r\n'), /^the answer is not HTTP$/],
  [
    'closes within the answer',
    (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"held":'),
    /^connection closed before an answer came$/,
  ],
  [
    'sends endless headers',
    (socket) => socket.end(`HTTP/1.1 200 OK\r\n${'x-a: b\r\n'.repeat(8000)}\r\n`),
    /^the headers of the answer are too long$/,
  ],
])('a participant that %s', async (_name, answer, words) => {
  const detail = await detailOf(`http://${await listening(answer)}`);
  expect(detail).toMatch(words);
  expect(detail.length).toBeLessThanOrEqual(COLUMNS);
});

test('nobody listens: the connection is refused, and by whom', async () => {
  const at = await listening(() => {});
  await new Promise((resolve) => server?.close(resolve));
  server = null;
  expect(await detailOf(`http://${at}`)).toBe(`connection refused by ${at}`);
  expect(await detailOf(`http://localhost:${at.split(':')[1]}`)).toMatch(/^connection refused by (127|\[?::1)/);
});

test('a name that leads nowhere is named', async () => {
  expect(await detailOf('http://account.invalid')).toMatch(/^the name account\.invalid does not resolve/);
});

test('TLS where none is spoken', async () => {
  const detail = await detailOf(
    `https://${await listening((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))}`,
  );
  expect(detail).toMatch(/^no TLS is spoken there \(\w+\)$/);
});

test.each([
  ['CERT_HAS_EXPIRED', 'certificate has expired', 'the certificate is not accepted (CERT_HAS_EXPIRED)'],
  ['UND_ERR_CONNECT_TIMEOUT', 'Connect Timeout Error', 'no connection in time'],
  ['EWEIRD', 'something new', 'something new (EWEIRD)'],
  ['EWEIRD', 'EWEIRD happened', 'EWEIRD happened'],
  [
    undefined,
    'account resolves to 10.0.0.1, which is not permitted',
    'account resolves to 10.0.0.1, which is not permitted',
  ],
  [undefined, '', 'no connection'],
])('an error %s: %s', (code, message, words) => {
  expect(described(Object.assign(new Error(message), code === undefined ? {} : { code }))).toBe(words);
});
