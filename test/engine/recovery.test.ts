/** Taking over what a dead node left, batch by batch. Over the log in memory. */
import { Coordinator } from '../../src/engine/coordinator.js';
import { MemoryLog } from '../../src/engine/memory-log.js';
import type { Component } from '../../src/engine/ports.js';
import type { Outcome } from '../../src/domain/transaction.js';
import { DEFAULT_CHECK, DEFAULT_RETRY } from '../../src/protocol/words.js';
import { branch, transaction } from '../contract/sample.js';
import { ManualClock } from '../participants/manual-clock.js';

const LEFT = 500;
/** As Steady has it. */
const BATCH = 200;
const LEASE_MS = 60_000;

const component = (name: string): Component => ({
  name,
  timeoutMs: 5000,
  concurrency: 1,
  callsPerSecond: null,
  retry: DEFAULT_RETRY,
  check: DEFAULT_CHECK,
  targets: { confirm: 'http://service.test/' },
  instances: () => [],
});

let clock: ManualClock;
let coordinator: Coordinator;
/** Answers the calls that were made and not answered yet, in their order. */
let answers: (() => void)[];
let calls: number;

beforeEach(async () => {
  clock = new ManualClock();
  const log = new MemoryLog(clock);
  answers = [];
  calls = 0;
  const dead = await log.join('dead', 1);
  for (let index = 0; index < LEFT; index += 1) {
    const decided = { status: 'committing', decision: 'commit', beganAt: clock.now(), decidedAt: clock.now() } as const;
    await log.insert(dead, transaction({ ...decided, branches: [branch('a', { state: 'done' })] }), 'h');
  }
  clock.pass(10);
  coordinator = new Coordinator({
    log,
    components: { get: component, find: async (name) => component(name) },
    participants: {
      call: () => {
        calls += 1;
        return new Promise<Outcome>((resolve) => answers.push(() => resolve({ kind: 'done', reply: null })));
      },
      prepare: () => ({ url: '', headers: {}, body: '' }),
    },
    clock,
    logger: { info() {}, warn() {}, error() {} },
    node: 'n',
    leaseMs: LEASE_MS,
  });
  await coordinator.start();
  await advance(10);
});

afterEach(async () => {
  const drained = coordinator.drain(0);
  await advance(100);
  await drained;
});

/** Lets time pass, and what waits for it do its work. */
async function advance(ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 5) {
    clock.pass(5);
    await new Promise(setImmediate);
  }
}

function answer(count: number): Promise<void> {
  for (const one of answers.splice(0, count)) one();
  return advance(50);
}

test('the next batch is taken over when half of the one before has ended', async () => {
  expect(calls).toBe(BATCH);
  await answer(BATCH / 2 - 1);
  expect(calls).toBe(BATCH);
  await answer(1);
  expect(calls).toBe(2 * BATCH);
});

test('while some of a batch end the next one waits, and where none do it comes all the same', async () => {
  for (let count = 0; count < 10; count += 1) {
    await advance(100);
    await answer(1);
  }
  expect(calls).toBe(BATCH);
  await advance(200);
  expect(calls).toBe(2 * BATCH);
  await advance(200);
  expect(calls).toBe(LEFT);
});
