/** What a transaction began under is read when it is not known, once for all who ask, and by what this version understands. */
import { LogUnavailable } from '../../src/engine/ports.js';
import { Steered } from '../../src/steering/steered.js';
import { component } from '../participants/request.js';
import { ManualClock } from '../participants/manual-clock.js';

const account = component('http://account.test');
const texts = new Map<number, string>();
let warned: object[];
let asked: number[];
let steered: Steered;

beforeEach(() => {
  warned = [];
  asked = [];
  texts.clear();
  steered = new Steered({
    contentOf: async (release) => {
      asked.push(release);
      const text = texts.get(release);
      return text === undefined ? null : { release, text, checksum: '' };
    },
    settings: {},
    refresh: async () => undefined,
    clock: new ManualClock(),
    logger: { info() {}, warn: (fields) => warned.push(fields), error() {} },
  });
});

const timeoutMs = (ms: number): string => JSON.stringify({ components: { account: { timeoutMs: ms } } });

test('it is read once for all who ask meanwhile, and the same object comes back until something changes', async () => {
  texts.set(7, timeoutMs(7));
  expect(steered.isKnown(7)).toBe(false);
  await Promise.all([steered.learn(7), steered.learn(7)]);
  await steered.learn(null);
  expect([steered.isKnown(7), asked]).toEqual([true, [7]]);
  const found = steered.component(account, 7);
  expect(found.timeoutMs).toBe(7);
  expect(steered.component(account, 7)).toBe(found);
  expect(steered.component(account, null)).toBe(account);
  const limits = new Map([['account', { concurrency: 5 }]]);
  steered.take({ release: 9, epoch: 0, reading: { values: {}, components: limits, faults: [] } });
  expect(steered.component(account, 7)).toMatchObject({ timeoutMs: 7, concurrency: 5 });
  expect(steered.component(account, 9)).toMatchObject({ timeoutMs: 3000, concurrency: 5 });
});

test('of a release that is newer than this version, what is understood counts, and the rest is said once', async () => {
  texts.set(7, JSON.stringify({ later: 1, components: { account: { timeoutMs: 7, colour: 'red' } } }));
  await steered.learn(7);
  expect(steered.component(account, 7).timeoutMs).toBe(7);
  const paths = ['/later', '/components/account/colour'];
  expect(warned).toMatchObject([{ release: 7, faults: paths.map((path) => ({ path })) }]);
});

test('one that is not there cannot be gone by', async () => {
  await expect(steered.learn(8)).rejects.toThrow(LogUnavailable);
  expect(steered.isKnown(8)).toBe(false);
  expect(() => steered.component(account, 8)).toThrow(LogUnavailable);
});

test('those that were not asked for longest are forgotten, and the one in force never', async () => {
  for (let release = 1; release <= 200; release += 1) {
    texts.set(release, timeoutMs(release));
    await steered.learn(release);
  }
  steered.component(account, 1);
  steered.take({ release: 300, epoch: 0, reading: { values: {}, components: new Map(), faults: [] } });
  expect([1, 2, 3, 300].map((release) => steered.isKnown(release))).toEqual([true, false, true, true]);
  for (let release = 301; release <= 520; release += 1) {
    texts.set(release, timeoutMs(release));
    await steered.learn(release);
  }
  expect(steered.isKnown(300)).toBe(true);
});
