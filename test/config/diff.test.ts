import { changesBetween } from '../../src/config/diff.js';
import type { Json } from '../../src/protocol/words.js';

it('names what was added, removed and changed, in the order of keys, arrays by index', () => {
  const from = { b: 1, a: { x: [1, 2, { y: true }], gone: null }, same: { z: [] } };
  const to = { same: { z: [] }, a: { x: [1, 3], 'a/b~c': 'new' }, b: '1' };
  expect(changesBetween(from, to)).toEqual([
    { path: '/a/a~1b~0c', kind: 'added', to: 'new' },
    { path: '/a/gone', kind: 'removed', from: null },
    { path: '/a/x/1', kind: 'changed', from: 2, to: 3 },
    { path: '/a/x/2', kind: 'removed', from: { y: true } },
    { path: '/b', kind: 'changed', from: 1, to: '1' },
  ]);
  expect(changesBetween(from, structuredClone(from))).toEqual([]);
});

it('takes an array and an object for different, whatever their keys', () => {
  expect(changesBetween({ a: ['x'] }, { a: { 0: 'x' } })).toEqual([
    { path: '/a', kind: 'changed', from: ['x'], to: { 0: 'x' } },
  ]);
});

it('keeps a key __proto__ as data', () => {
  const hostile = JSON.parse('{"__proto__": {"a": {"$secret": "s"}}}') as Json;
  const [change] = changesBetween({}, { x: hostile });
  expect(JSON.stringify(change)).toBe('{"path":"/x","kind":"added","to":{"__proto__":{"a":{"$secret":"••••••"}}}}');
  expect(changesBetween(hostile, {})).toHaveLength(1);
});

it('masks every secret, alone, within something, and in what turns into one', () => {
  const secret = (text: string): Json => ({ $secret: text });
  const from = { a: secret('one'), b: 1, c: { d: secret('two') }, e: secret('same') };
  const to = { a: secret('other'), b: secret('three'), e: secret('same'), f: [{ g: secret('four') }] };
  const changes = changesBetween(from, to);
  expect(changes.map(({ path, kind }) => `${kind} ${path}`)).toEqual([
    'changed /a',
    'changed /b',
    'removed /c',
    'added /f',
  ]);
  expect(JSON.stringify(changes)).not.toMatch(/one|other|two|three|four/);
  expect(changes[0]).toEqual({ path: '/a', kind: 'changed', from: secret('••••••'), to: secret('••••••') });
});

it('stays small where everything differs and all pointers are long', () => {
  const deep = (value: number): Json => {
    const leaves = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, value]));
    return Array.from({ length: 50 }).reduce<Json>((inner) => ({ ['x'.repeat(2000)]: inner }), leaves);
  };
  const changes = changesBetween({ top: deep(1), same: 1 }, { top: deep(2), same: 1 });
  expect(changes.map(({ path, kind }) => `${kind} ${path}`)).toEqual(['changed /top']);
});
