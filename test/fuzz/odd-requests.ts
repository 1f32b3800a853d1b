/** Requests that are wrong, or at least seldom: in their body, headers, method, path, query, or down to the bytes. */
import fc from 'fast-check';
import { oddBody } from './odd-values.js';
import type { Random } from './random.js';
import type { Operation, Request } from './requests.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'LOCK'];
const HEADERS: readonly (readonly [string, string])[] = [
  ['content-type', 'text/plain'],
  ['content-type', 'application/json; charset=utf-16'],
  ['content-type', 'application/JSON;charset=utf-8'],
  ['content-type', 'application/x-www-form-urlencoded'],
  ['content-type', 'multipart/form-data; boundary=x'],
  ['content-type', ';'],
  ['content-type', ''],
  ['content-encoding', 'gzip'],
  ['accept', 'application/xml'],
  ['accept', 'x'.repeat(5000)],
  ['accept-encoding', 'br;q=2, *;q=0'],
  ['expect', '100-continue'],
  ['expect', 'a miracle'],
  ['upgrade', 'websocket'],
  ['connection', 'upgrade'],
  ['authorization', 'Bearer tercet_'],
  ['authorization', 'Basic Og=='],
  ['idempotency-key', ''],
  ['idempotency-key', 'x'.repeat(200)],
  ['idempotency-key', 'a b'],
  ['idempotency-key', '\xfc\xff'],
  ['traceparent', '00-00000000000000000000000000000000-0000000000000000-00'],
  ['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
  ['traceparent', 'x'.repeat(500)],
  ['x-http-method-override', 'DELETE'],
  ['x-forwarded-for', '::1, \xff'],
  ['origin', 'https://example.com'],
  ['origin', 'null'],
  ['sec-fetch-site', 'cross-site'],
  ['host', 'example.com'],
  ['host', ''],
  ['range', 'bytes=0-1,-1'],
  ['if-none-match', '*'],
  ['cookie', '__proto__=1; a=b'],
  ['x', 'x'.repeat(20_000)],
];
const QUERIES = [
  '?',
  '??',
  '?&&=',
  '?a[]=1&a[b]=2',
  '?__proto__=1',
  '?constructor=1',
  '?waitMs=10&waitMs=20',
  '?limit=',
];
const MORE_QUERIES = [
  '?%',
  '?%ff',
  '?a=%00',
  '?wait=soon',
  '?limit=0x10',
  '?waitMs=1e1',
  '?after=%F0%9F%92%A9',
  '?wait=',
];
const NAMES = [
  '%',
  '%2',
  '%zz',
  '%00',
  '%2F',
  '%2e%2e',
  '..',
  '.',
  '%ff',
  '%F0%9F%92%A9',
  '*',
  '~',
  ':gid',
  '{gid}',
  '',
];
const PATHS = [
  '/',
  '//',
  '*',
  '/%',
  '/v1',
  '/v1/',
  '/v1/bulk/',
  '/v1//transactions',
  '/V1/transactions',
  '/favicon.ico',
];

type Change = (request: Request, random: Random) => Request;

const CHANGES: readonly Change[] = [
  (request, random) => ({ ...request, body: request.body ? oddBody(request.body, random) : Buffer.from('{"a":1}') }),
  (request, random) => (request.body ? { ...request, body: oddBody(request.body, random) } : oddQuery(request, random)),
  (request) => ({ ...request, body: null }),
  (request, random) => {
    const [name, value] = random.pick(HEADERS);
    return { ...request, headers: [...request.headers.filter(([other]) => other !== name), [name, value]] };
  },
  (request, random) => ({ ...request, operation: null, method: random.pick(METHODS) }),
  oddPath,
  oddQuery,
];

/** @param operations what a request of another method may mean */
export function odd(request: Request, operations: readonly Operation[], random: Random): Request {
  if (random.in(8)) return { ...request, way: 'leave' };
  if (random.in(10)) return oddBytes(request, random);
  const changed = random.pick(CHANGES)(request, random);
  return { ...changed, operation: meant(changed, operations) };
}

/** What the document says of it; the answer to HEAD is that to GET. */
function meant({ method, path }: Request, operations: readonly Operation[]): Operation | null {
  const [plain = ''] = path.split('?');
  const asked = method === 'HEAD' ? 'GET' : method;
  const found = operations.find(({ method: known, template }) => {
    const pattern = template.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+');
    return known === asked && new RegExp(`^${pattern}$`).test(plain);
  });
  return found ?? null;
}

function oddQuery(request: Request, random: Random): Request {
  const [plain = ''] = request.path.split('?');
  const drawn = `?${encodeURIComponent(random.draw(fc.string()))}=${encodeURIComponent(random.draw(fc.string()))}`;
  const long = `?after=${'x'.repeat(random.pick([1000, 1001, 10_000]))}`;
  return { ...request, path: plain + random.pick([...QUERIES, ...MORE_QUERIES, drawn, long]) };
}

function oddPath(request: Request, random: Random): Request {
  if (random.in(20)) return { ...request, path: random.pick(PATHS) };
  const parts = request.path.split('/');
  const drawn = encodeURIComponent(random.draw(fc.string({ unit: 'grapheme', minLength: 1 })));
  const name = random.pick([...NAMES, drawn, 'x'.repeat(random.pick([128, 129, 5000]))]);
  parts[1 + random.below(parts.length - 1)] = name;
  return { ...request, path: parts.join('/') + random.pick(['', '', '', '/']) };
}

/** The head alone is spoilt: a body with another port in it could reach a stranger. */
function oddBytes(request: Request, random: Random): Request {
  const { method, path, headers, body } = request;
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'host: localhost',
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  const head = Buffer.from(`${lines.join('\r\n')}\r\ncontent-length: ${body?.length ?? 0}\r\n\r\n`, 'latin1');
  const bytes = Buffer.concat([spoilt(head, random), body ?? Buffer.alloc(0)]);
  return { operation: null, method: 'raw', path: '', headers: [], body: null, way: 'raw', bytes };
}

function spoilt(head: Buffer, random: Random): Buffer {
  const at = random.below(head.length);
  const [before, after] = [head.subarray(0, at), head.subarray(at)];
  switch (random.below(6)) {
    case 0:
      return before;
    case 1:
      return Buffer.concat([before, Buffer.from(random.draw(fc.uint8Array({ minLength: 1 }))), after]);
    case 2:
      return Buffer.from(head.toString('latin1').replace(/content-length: \d+/, random.pick(LENGTHS)), 'latin1');
    case 3:
      return Buffer.from(head.toString('latin1').replace(/HTTP\/1\.1/, random.pick(VERSIONS)), 'latin1');
    case 4:
      return Buffer.from(
        head.toString('latin1').replace(/^\w+/, random.pick(['CONNECT', 'get', 'PRI', 'SOURCE'])),
        'latin1',
      );
    default:
      return Buffer.from(random.draw(fc.uint8Array({ minLength: 1, maxLength: 200 })));
  }
}

const LENGTHS = [
  'content-length: -1',
  'content-length: 1e9',
  'transfer-encoding: chunked',
  'transfer-encoding: x',
  'x: y',
];
const VERSIONS = ['HTTP/1.0', 'HTTP/2.0', 'HTTP/9.9', 'HTTPS/1.1', '', 'HTTP/1.1\r\nhost: other'];
