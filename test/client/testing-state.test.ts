/** What the test kit sees of a world: all that is data, and where it differs. */
import { changesBetween, snapshotOf } from '../../src/client/testing/state.js';

function changes(before: unknown, after: unknown): string[] {
  return changesBetween(snapshotOf(before), snapshotOf(after)).map(
    ({ path, before: was, after: is }) => `${path}: ${was} → ${is}`,
  );
}

class Account {
  constructor(
    readonly balance: number,
    readonly log = () => undefined,
  ) {}
}

test.each<[string, unknown, unknown, string[]]>([
  [
    'equal ones',
    { a: [1, { b: null }], c: new Map([['d', 1n]]) },
    { c: new Map([['d', 1n]]), a: [1, { b: null }] },
    [],
  ],
  ['what is not there and what is undefined', { a: undefined }, {}, []],
  ['a number and a text', { a: 1 }, { a: '1' }, ["state.a: 1 → '1'"]],
  ['one field', { a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }, ['state.a.c: 2 → 3']],
  [
    'what comes as a whole',
    { a: {} },
    { a: { b: { c: [1] } }, d: 1 },
    ['state.a.b: nothing → there', 'state.d: nothing → 1'],
  ],
  ['what goes as a whole', new Map([['a', { b: 1 }]]), new Map(), ['state.a: there → nothing']],
  ['what is named alike', { a: 1, ab: 1 }, { ab: 2 }, ['state.a: 1 → nothing', 'state.ab: 1 → 2']],
  ['an item that a list has more', [1], [1, 2], ['state[1]: nothing → 2']],
  ['sets, in whatever order', new Set(['a', 'b']), new Set(['b', 'a']), []],
  [
    'an element of a set',
    new Set(['a']),
    new Set(['b']),
    ["state has 'a': true → nothing", "state has 'b': nothing → true"],
  ],
  ['an object in a set', new Set([{ a: 1, b: 2 }]), new Set([{ b: 2, a: 1 }]), []],
  ['times', new Date(0), new Date(1), ['state: 1970-01-01T00:00:00.000Z → 1970-01-01T00:00:00.001Z']],
  [
    'keys that look like paths',
    new Map([['a.b', 1]]),
    { a: { b: 1 } },
    ["state['a.b']: 1 → nothing", 'state.a: nothing → there'],
  ],
  [
    'keys of other types',
    new Map([[1, 'a']]),
    new Map([['1', 'a']]),
    ["state[1]: 'a' → nothing", "state.1: nothing → 'a'"],
  ],
  ['instances, by their fields', new Account(1), new Account(2), ['state.balance: 1 → 2']],
])('%s', (_what, before, after, expected) => {
  expect(changes(before, after)).toEqual(expected);
});

test('a snapshot stays as it was taken', () => {
  const world = { orders: ['a'] };
  const before = snapshotOf(world);
  world.orders.push('b');
  expect(changesBetween(before, snapshotOf(world))).toEqual([
    { path: 'state.orders[1]', before: 'nothing', after: "'b'" },
  ]);
});

test('what goes round in circles is said', () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  expect(() => snapshotOf(circle)).toThrow(/levels deep, at state\.self\.self/);
});
