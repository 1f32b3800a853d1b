/** A node takes on no more than it can drive: docs/wire.md, section 2. Over the log in memory, for they are many. */
import { Coordinator } from '../../src/engine/coordinator.js';
import type { CoordinatorParts } from '../../src/engine/coordinator.js';
import type { BeginRequest } from '../../src/engine/begin.js';
import type { Component } from '../../src/engine/ports.js';
import { DEFAULT_CHECK, DEFAULT_RETRY } from '../../src/protocol/words.js';
import { SystemClock } from '../../src/system-clock.js';
import { MemoryLog } from '../../src/engine/memory-log.js';
import { Steady } from '../../src/engine/steady.js';
import { until } from '../client/until.js';
import { branch, transaction } from '../contract/sample.js';

const LIMIT = 20_000;
const LIMIT_OF_ONE = 15_000;
const accepted = { until: 'accepted', ms: 0 } as const;

let coordinator: Coordinator;
let parts: CoordinatorParts;

beforeEach(async () => {
  const clock = new SystemClock();
  const targets = { try: 'http://service.test/', confirm: 'http://service.test/', cancel: 'http://service.test/' };
  const component = (name: string): Component => ({
    name,
    timeoutMs: 1,
    concurrency: 1,
    callsPerSecond: null,
    retry: DEFAULT_RETRY,
    check: DEFAULT_CHECK,
    targets,
    instances: () => [],
  });
  parts = {
    log: new MemoryLog(clock),
    components: { get: component, find: async (name) => component(name) },
    // They never answer.
    participants: { call: () => new Promise(() => {}), prepare: () => ({ url: '', headers: {}, body: '' }) },
    clock,
    logger: { info() {}, warn() {}, error() {} },
    node: 'n',
    // On a busy machine so many take their time.
    leaseMs: 600_000,
  };
  coordinator = new Coordinator(parts);
  await coordinator.start();
});

afterEach(() => coordinator.drain(0));

const request = (gid: string, over: Partial<BeginRequest> = {}): BeginRequest => ({
  gid,
  contentHash: 'h',
  mode: 'tcc',
  drive: 'initiator',
  businessKey: null,
  deadlineMs: 3_600_000,
  branches: [],
  ...over,
});

test('the 20001st unfinished transaction is refused, a known one answered, and one taken when another has ended', async () => {
  for (let index = 0; index < LIMIT; index += 1) {
    expect((await coordinator.begin(request(`g-${index}`), accepted)).begun).toBe(true);
  }
  await expect(coordinator.begin(request('one more'), accepted)).rejects.toMatchObject({
    status: 429,
    code: 'TERCET_TRANSACTIONS_TOO_MANY',
    detail: expect.stringContaining(`${LIMIT} transactions`),
  });
  await expect(coordinator.get('one more', null)).rejects.toMatchObject({ status: 404 });
  expect((await coordinator.begin(request('g-7'), accepted)).begun).toBe(false);

  await coordinator.submit('g-7', { until: 'settled', ms: 10_000 });
  expect((await coordinator.begin(request('one more'), accepted)).begun).toBe(true);
});

const calling = (gid: string, component: string): BeginRequest => {
  const branches = [{ branchId: 'a', component, payload: 'null' }];
  return request(gid, { drive: 'coordinator', branches });
};

test('a service that answers no more leaves room for the others (G10)', async () => {
  for (let index = 0; index < LIMIT_OF_ONE; index += 1) {
    await coordinator.begin(calling(`g-${index}`, 'dead'), accepted);
  }
  await expect(coordinator.begin(calling('one more', 'dead'), accepted)).rejects.toMatchObject({
    code: 'TERCET_TRANSACTIONS_TOO_MANY',
    detail: expect.stringContaining(`${LIMIT_OF_ONE} transactions of 'dead'`),
  });
  expect((await coordinator.begin(calling('healthy', 'healthy'), accepted)).begun).toBe(true);
});

test('of many that begin at once no more are taken than there is room for', async () => {
  for (let index = 0; index < LIMIT - 10; index += 1) await coordinator.begin(request(`g-${index}`), accepted);
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, (_, index) => coordinator.begin(request(`at once ${index}`), accepted)),
  );
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
});

test('a node that may have one takes one', async () => {
  await coordinator.drain(0);
  const small = new Coordinator({ ...parts, log: new MemoryLog(parts.clock), steering: new Steady(1) });
  await small.start();
  expect((await small.begin(calling('first', 'account'), accepted)).begun).toBe(true);
  await expect(small.begin(calling('second', 'account'), accepted)).rejects.toMatchObject({
    detail: expect.stringContaining('1 transactions'),
  });
  await small.drain(0);
});

test('what a dead node had of a service that answers no more leaves room for the others too (G10)', async () => {
  const { clock } = parts;
  const log = new MemoryLog(clock);
  const dead = await log.join('dead', 1);
  for (let index = 0; index < 1200; index += 1) {
    const branches = [branch('a', { component: 'dead' })];
    await log.insert(dead, transaction({ deadlineAt: null, beganAt: clock.now(), branches }), 'h');
  }
  const other = new Coordinator({ ...parts, log, steering: new Steady(1000) });
  await other.start();
  await until('all of it is taken over', async () => other.underWay().length === 1200);
  await expect(other.begin(calling('dead', 'dead'), accepted)).rejects.toMatchObject({ status: 429 });
  expect((await other.begin(calling('healthy', 'healthy'), accepted)).begun).toBe(true);
  await other.drain(0);
});
