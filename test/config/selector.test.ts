import { selects } from '../../src/config/selector.js';

const NAMES = Array.from({ length: 2000 }, (_, index) => `instance-${index}`);
const found = (percent: number): string[] =>
  NAMES.filter((instance) => selects({ labels: {}, percent }, 'production', { instance, labels: {} }));

it('finds about the share that was asked for, and always the same instances', () => {
  expect(found(10).length).toBeGreaterThan(150);
  expect(found(10).length).toBeLessThan(250);
  expect(found(10)).toEqual(found(10));
  expect(found(100)).toEqual(NAMES);
});

it('finds with a wider share all that a narrower one found', () => {
  expect(found(25)).toEqual(expect.arrayContaining(found(10)));
});

it('finds who has all the labels, and nobody else', () => {
  const labels = { zone: 'a', tier: 'canary' };
  const is = (own: Record<string, string>): boolean =>
    selects({ labels, percent: 100 }, 'e', { instance: 'i', labels: own });
  expect(is({ ...labels, more: 'x' })).toBe(true);
  expect(is({ zone: 'a' })).toBe(false);
  expect(is({ zone: 'a', tier: 'Canary' })).toBe(false);
});
