/** Bodies that are wrong: in a field, in their form, in their size, in their bytes. */
import fc from 'fast-check';
import type { Random } from './random.js';

type Place = { readonly holder: Record<string | number, unknown>; readonly key: string | number };

const ODD = [
  null,
  true,
  0,
  -0,
  -1,
  0.1,
  1e308,
  Number.MAX_SAFE_INTEGER,
  '',
  ' ',
  '.',
  '..',
  '0',
  '-1',
  '1e3',
  'null',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udc00x',
  '\u202egnirts',
  '\ufeff',
  '👩‍👩‍👧‍👦',
  'é'.normalize('NFD'),
  "'; DROP TABLE tercet.transaction; --",
  '%00%ff',
  '../../etc/passwd',
  '{{7*7}}',
  '2026-02-30T00:00:00Z',
  '-271821-04-20T00:00:00.000Z',
  'file:///etc/passwd',
  'http://user:password@127.0.0.1/',
  'x'.repeat(300),
  [],
  {},
  [[]],
  { toString: 1 },
  { then: 1 },
  { constructor: { prototype: {} } },
] as const;
const ODD_NAMES = ['constructor', 'toString', 'hasOwnProperty', '', 'gid ', 'GID', 'ſ', '\ud800', '$ref', 'length'];
/** Put in as text: no value of JavaScript is written so. */
const ODD_TEXTS = ['1e400', '-1e400', '9007199254740993', '00', '+1', 'NaN', '\\', '"', ',', '}', '{', '\u0000', '﻿'];
const ODD_PIECES = [
  '"__proto__":{"x":1},',
  '"gid":"n1","gid":"n2",',
  '"\\u0000":1,',
  '"\\ud800":"\\udfff",',
  '/**/',
  '\n',
];
const BIG = [70_000, 270_000, 1_100_000];
const DEPTHS = [63, 64, 65, 1000, 100_000];

/** @param body JSON text of a valid request */
export function oddBody(body: Buffer, random: Random): Buffer {
  if (random.in(60)) return Buffer.from(JSON.stringify(withOddValues(JSON.parse(body.toString()), random)));
  return oddText(body.toString(), random);
}

function withOddValues(body: unknown, random: Random): unknown {
  const root = { body };
  for (let changes = 1 + random.below(2); changes > 0; changes -= 1) change(random.pick(placesIn(root)), random);
  return root.body;
}

function change({ holder, key }: Place, random: Random): void {
  const value = holder[key];
  switch (random.below(6)) {
    case 0:
      // What is left out waits as long as the default says.
      if (key !== 'body' && key !== 'waitMs' && !Array.isArray(holder)) delete holder[key];
      break;
    case 1:
      if (isObject(value)) value[random.pick(ODD_NAMES)] = oddValue(random);
      else holder[key] = [value];
      break;
    case 2:
      if (Array.isArray(value)) value.push(...(value as unknown[]), ...(value as unknown[]));
      else holder[key] = typeof value === 'string' ? 17 : JSON.stringify(value);
      break;
    case 3:
      holder[key] = random.draw(fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' })));
      break;
    default:
      holder[key] = oddValue(random);
  }
  if (holder[key] === Number.MAX_SAFE_INTEGER && key === 'waitMs') holder[key] = -1;
}

/** A copy: a second change may go into it, and would put it into itself. */
function oddValue(random: Random): unknown {
  return structuredClone(random.pick(ODD));
}

function placesIn(holder: object): Place[] {
  return Object.entries(holder).flatMap(([key, value]) => {
    const place = { holder: holder as Place['holder'], key };
    return typeof value === 'object' && value !== null ? [place, ...placesIn(value as object)] : [place];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function oddText(text: string, random: Random): Buffer {
  const at = random.below(text.length);
  switch (random.below(8)) {
    case 0:
      return Buffer.from(text.slice(0, at));
    case 1:
      return Buffer.from(text.slice(0, at) + random.pick(ODD_TEXTS) + text.slice(at));
    case 2:
      return Buffer.from(text.replace('{', `{${random.pick(ODD_PIECES)}`));
    case 3:
      return Buffer.from(text.replace(/:"[^"]*"/, `:"${'x'.repeat(random.pick(BIG))}"`));
    case 4: {
      const depth = random.pick(DEPTHS);
      return Buffer.from(text.replace('{', `{"payload":${'['.repeat(depth)}${']'.repeat(depth)},`));
    }
    case 5:
      return Buffer.from(text.replace(/:\d+/, `:${random.pick(ODD_TEXTS)}`));
    case 6:
      return Buffer.concat([
        Buffer.from(text.slice(0, at)),
        Buffer.from([0xff, 0xc0, 0x80]),
        Buffer.from(text.slice(at)),
      ]);
    default:
      return Buffer.from(
        random.pick(['', ' ', 'null', '[]', '0', '""', '\ufeff' + text, `${text}${text}`, '{}', 'a=b']),
      );
  }
}
