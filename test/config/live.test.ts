/** Live: one value that is replaced as a whole, or not at all. */
import { deepFreeze } from '../../src/config/deep-freeze.js';
import { Live } from '../../src/config/live.js';

interface Limits {
  readonly rate: number;
  readonly pool: { readonly size: number };
}

const limits = (rate: number): Limits => ({ rate, pool: { size: rate * 2 } });
const logged: string[] = [];
const live = (): Live<Limits> => new Live(limits(1), { error: (_fields, message) => void logged.push(message) });

beforeEach(() => void logged.splice(0));

test('whoever listens is called with what is there, and then with each change and what was before', () => {
  const value = live();
  const heard: [number, number | null][] = [];
  const forget = value.onChange((next, previous) => void heard.push([next.rate, previous?.rate ?? null]));
  value.change(limits(2));
  forget();
  value.change(limits(3));
  expect(heard).toEqual([
    [1, null],
    [2, 1],
  ]);
});

test('nothing takes effect before all have agreed, and then all in the same turn', () => {
  const value = live();
  const order: string[] = [];
  for (const name of ['a', 'b']) {
    value.onChange((next) => {
      order.push(`${name} builds ${next.rate} while ${value.value.rate}`);
      return () => order.push(`${name} has ${value.value.rate}`);
    });
  }
  order.splice(0);
  value.change(limits(2));
  expect(order).toEqual(['a builds 2 while 1', 'b builds 2 while 1', 'a has 2', 'b has 2']);
});

test('one that throws rejects the change: the old value stays, and nothing of the others takes effect', () => {
  const value = live();
  const effects: number[] = [];
  value.onChange((next) => () => effects.push(next.rate));
  value.onChange((next) => {
    if (next.rate === 2) throw new Error('no pool of 4');
  });
  expect(() => value.change(limits(2))).toThrow('no pool of 4');
  expect([value.value.rate, effects]).toEqual([1, [1]]);
  value.change(limits(3));
  expect([value.value.rate, effects]).toEqual([3, [1, 3]]);
});

test('what fails once the value is in force does not take it back, and keeps nobody else from it', () => {
  const value = live();
  const effects: number[] = [];
  value.onChange((_next, previous) => () => {
    if (previous) throw new Error('too late');
  });
  value.onChange((next) => () => effects.push(next.rate));
  value.change(limits(2));
  expect([value.value.rate, effects, logged.length]).toEqual([2, [1, 2], 1]);
});

test('a listener that does not take what is there is told so, and not called again', () => {
  const value = live();
  let calls = 0;
  const listen = (): void => {
    value.onChange(() => {
      calls += 1;
      throw new Error('not this');
    });
  };
  expect(listen).toThrow('not this');
  value.change(limits(2));
  expect(calls).toBe(1);
});

test('an asynchronous listener is refused, since nobody would hear what it throws', () => {
  const value = live();
  const listen = (async () => Promise.reject(new Error('unheard'))) as never;
  expect(() => value.onChange(listen)).toThrow(TypeError);
});

test('it cannot be changed by who listens to a change', () => {
  const value = live();
  value.onChange((next, previous) => {
    if (previous) value.change(limits(next.rate + 1));
  });
  expect(() => value.change(limits(2))).toThrow('while it is being changed');
  expect(value.value.rate).toBe(1);
});

test('the value is frozen to its last part', () => {
  const value = live();
  expect(Object.isFrozen(value.value.pool)).toBe(true);
  value.change(limits(2));
  expect(() => Object.assign(value.value.pool, { size: 9 })).toThrow(TypeError);
});

test('what is no plain object stays as it is, also inside one that was frozen before', () => {
  const date = new Date(0);
  const inner = { list: [1] };
  deepFreeze(Object.freeze({ date, inner }));
  expect([Object.isFrozen(date), Object.isFrozen(inner), Object.isFrozen(inner.list)]).toEqual([false, true, true]);
});
