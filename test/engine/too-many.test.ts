/** A node takes on no more than it can drive: docs/wire.md, section 2. Over the log in memory, for they are many. */
import { Coordinator } from '../../src/engine/coordinator.js';
import type { BeginRequest } from '../../src/engine/begin.js';
import type { Component } from '../../src/engine/ports.js';
import { DEFAULT_CHECK, DEFAULT_RETRY } from '../../src/protocol/words.js';
import { SystemClock } from '../../src/system-clock.js';
import { MemoryLog } from '../../src/engine/memory-log.js';

const LIMIT = 20_000;
const LIMIT_OF_ONE = 15_000;
const accepted = { until: 'accepted', ms: 0 } as const;

let coordinator: Coordinator;

beforeEach(async () => {
  const clock = new SystemClock(() => 0);
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
  coordinator = new Coordinator({
    log: new MemoryLog(clock),
    components: { get: component, find: async (name) => component(name) },
    // They never answer.
    participants: { call: () => new Promise(() => {}), prepare: () => ({ url: '', headers: {}, body: '' }) },
    clock,
    logger: { info() {}, warn() {}, error() {} },
    node: 'n',
    // On a busy machine so many take their time.
    leaseMs: 600_000,
  });
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

test('a service that answers no more leaves room for the others (G10)', async () => {
  const calling = (gid: string, component: string): BeginRequest => {
    const branches = [{ branchId: 'a', component, payload: 'null' }];
    return request(gid, { drive: 'coordinator', branches });
  };
  for (let index = 0; index < LIMIT_OF_ONE; index += 1) {
    await coordinator.begin(calling(`g-${index}`, 'dead'), accepted);
  }
  await expect(coordinator.begin(calling('one more', 'dead'), accepted)).rejects.toMatchObject({
    code: 'TERCET_TRANSACTIONS_TOO_MANY',
    detail: expect.stringContaining(`${LIMIT_OF_ONE} transactions of 'dead'`),
  });
  expect((await coordinator.begin(calling('healthy', 'healthy'), accepted)).begun).toBe(true);
});
