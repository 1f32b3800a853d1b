import { POINTER, step, valueAt } from '../../src/config/pointer.js';

const value = { a: [{ 'x/y~z': 7 }], '': { '': null }, toString: 1 };

it('finds what its own steps lead to', () => {
  expect(valueAt(value, '')).toBe(value);
  expect(valueAt(value, step(step(step('', 'a'), 0), 'x/y~z'))).toBe(7);
  expect(valueAt(value, '//')).toBeNull();
});

it('finds nothing where there is nothing, nor what only a prototype has', () => {
  for (const pointer of ['/b', '/a/1', '/a/00', '/a/-', '/a/length', '/a/0/x', '/constructor', '/toString/x']) {
    expect(valueAt(value, pointer)).toBeUndefined();
  }
});

it('is known by its form', () => {
  for (const pointer of ['', '/', '/a/b', '/a~0b~1c']) expect(pointer).toMatch(POINTER);
  for (const text of ['a', '/a~', '/a~2b', '#/a']) expect(text).not.toMatch(POINTER);
});
