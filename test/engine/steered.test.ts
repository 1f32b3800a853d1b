/** What a release changes for transactions: those begun after it, and what is called now. Over the log in memory. */
import { Coordinator } from '../../src/engine/coordinator.js';
import type { BeginRequest } from '../../src/engine/begin.js';
import { MemoryLog } from '../../src/engine/memory-log.js';
import { LogUnavailable } from '../../src/engine/ports.js';
import type { CallRequest, Component, InForce, Steering } from '../../src/engine/ports.js';
import type { Outcome } from '../../src/domain/transaction.js';
import { DEFAULT_CHECK, DEFAULT_RETRY } from '../../src/protocol/words.js';
import { ManualClock } from '../participants/manual-clock.js';

const accepted = { until: 'accepted', ms: 0 } as const;

/** Releases as a test says: the timeouts that they give every component. */
class Releases implements Steering {
  inForce: InForce = { release: null, epoch: 0, maxUnfinished: 100, takeOverBatch: 10 };
  readonly timeouts = new Map<number, number>();
  readonly known = new Set<number>();
  readonly paused = new Set<string>();
  /** What a look finds that was not seen before. */
  coming: InForce[] = [];
  waitMs: number | null = null;
  looks = 0;

  async refresh(): Promise<void> {
    this.looks += 1;
    this.inForce = this.coming.shift() ?? this.inForce;
    if (this.inForce.release !== null) this.known.add(this.inForce.release);
  }

  isKnown(release: number | null): boolean {
    return release === null || this.known.has(release);
  }

  async learn(release: number | null): Promise<void> {
    if (release === 13) throw new LogUnavailable('not now');
    if (release !== null) this.known.add(release);
  }

  component(registered: Component, release: number | null): Component {
    if (!this.isKnown(release)) throw new Error(`release ${release} was not learnt`);
    return { ...registered, timeoutMs: this.timeouts.get(release ?? 0) ?? registered.timeoutMs };
  }

  pausedBecause(component: string): string | null {
    return this.paused.has(component) ? `component ${component} is paused since release 4` : null;
  }

  admit(): number | null {
    return this.waitMs;
  }
}

const targets = { try: 'http://service.test/', confirm: 'http://service.test/', cancel: 'http://service.test/' };
const component = (name: string): Component => ({
  name,
  timeoutMs: 5000,
  concurrency: 1,
  retry: DEFAULT_RETRY,
  check: DEFAULT_CHECK,
  targets,
  instances: () => [],
});

let clock: ManualClock;
let log: MemoryLog;
let steering: Releases;
let calls: (Pick<CallRequest, 'op'> & { branchId: string; timeoutMs: number })[];
let answer: (request: CallRequest) => Promise<Outcome>;
let coordinator: Coordinator;

beforeEach(async () => {
  clock = new ManualClock();
  log = new MemoryLog(clock);
  steering = new Releases();
  calls = [];
  answer = async () => ({ kind: 'done', reply: null });
  coordinator = await started();
});

afterEach(async () => {
  const drained = coordinator.drain(0);
  await advance(1);
  await drained;
});

/** Lets time pass, and what waits for it do its work. */
async function advance(ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 100) {
    clock.pass(100);
    await new Promise(setImmediate);
  }
}

async function started(): Promise<Coordinator> {
  const node = new Coordinator({
    log,
    components: { get: component, find: async (name) => component(name) },
    participants: {
      call: (request) => {
        const { branch, op, component: asked } = request;
        calls.push({ branchId: branch.branchId, op, timeoutMs: asked.timeoutMs });
        return answer(request);
      },
      prepare: () => ({ url: '', headers: {}, body: '' }),
    },
    clock,
    logger: { info() {}, warn() {}, error() {} },
    node: 'n',
    leaseMs: 60_000,
    steering,
  });
  await node.start();
  return node;
}

const request = (gid: string, over: Partial<BeginRequest> = {}): BeginRequest => ({
  gid,
  contentHash: 'h',
  mode: 'tcc',
  drive: 'coordinator',
  businessKey: null,
  deadlineMs: 3_600_000,
  branches: [{ branchId: 'a', component: 'account', payload: '{}' }],
  ...over,
});

const settled = (gid: string) => coordinator.get(gid, { until: 'settled', ms: 60_000 });

test('a begin that meets another epoch looks what is in force, and begins under that', async () => {
  log.epoch = 2;
  steering.coming = [
    { ...steering.inForce, release: 7, epoch: 1 },
    { ...steering.inForce, release: 8, epoch: 2 },
  ];
  const { tx, begun } = await coordinator.begin(request('g'), accepted);
  expect({ begun, release: tx.release, looks: steering.looks }).toEqual({ begun: true, release: 8, looks: 2 });
});

test('a begin that meets a new epoch each time gives up, and has begun nothing', async () => {
  log.epoch = 99;
  await expect(coordinator.begin(request('g'), accepted)).rejects.toThrow(LogUnavailable);
  expect(log.rows.size).toBe(0);
});

test('a transaction goes by what it began under, and one begun later by the release of then', async () => {
  steering.timeouts.set(1, 111).set(2, 222);
  await steering.learn(1);
  steering.inForce = { ...steering.inForce, release: 1 };
  let letGo = (): void => undefined;
  answer = async ({ tx, op }) => {
    if (tx.gid === 'early' && op === 'try') await new Promise<void>((resolve) => (letGo = resolve));
    return { kind: 'done', reply: null };
  };
  await coordinator.begin(request('early'), accepted);
  await steering.learn(2);
  steering.inForce = { ...steering.inForce, release: 2 };
  await coordinator.begin(request('late'), { until: 'settled', ms: 60_000 });
  letGo();
  expect((await settled('early')).status).toBe('committed');
  const timeouts = calls.map(({ op, timeoutMs }) => `${op} ${timeoutMs}`);
  expect(timeouts).toEqual(['try 111', 'try 222', 'confirm 222', 'confirm 111']);
});

test('a release that a node has not heard of is learnt before anything of its transactions is called', async () => {
  steering.inForce = { ...steering.inForce, release: 3 };
  steering.timeouts.set(3, 333);
  await coordinator.begin(request('g'), { until: 'settled', ms: 60_000 });
  expect(calls.map(({ timeoutMs }) => timeoutMs)).toEqual([333, 333]);
});

test('nothing of a paused component is called, no attempt is used up, and the timeline says why, once', async () => {
  steering.paused.add('account');
  await coordinator.begin(request('g'), accepted);
  await advance(5000);
  expect(calls).toEqual([]);
  const told = (await coordinator.timeline('g')).map(({ kind, detail, op }) => [kind, op, detail]);
  expect(told).toEqual([
    ['begun', undefined, undefined],
    ['paused', 'try', 'component account is paused since release 4'],
  ]);
  steering.paused.clear();
  await advance(1000);
  const tx = await settled('g');
  expect(tx.status).toBe('committed');
  expect(tx.branches.map(({ tries }) => tries)).toEqual([1]);
});

test('what waits in line when its component is paused does not leave', async () => {
  let mayLeave = (): boolean => true;
  answer = (asked) => {
    mayLeave = () => asked.mayLeave();
    return new Promise(() => {});
  };
  await coordinator.begin(request('g'), accepted);
  expect(mayLeave()).toBe(true);
  steering.paused.add('account');
  expect(mayLeave()).toBe(false);
});

test('a begin too many for now is refused by 429, and its repetition is answered once it was begun', async () => {
  await coordinator.begin(request('known'), accepted);
  steering.waitMs = 40;
  await expect(coordinator.begin(request('new'), accepted)).rejects.toMatchObject({
    code: 'TERCET_BEGINS_TOO_FAST',
    status: 429,
    detail: expect.stringContaining('40 ms'),
  });
  expect((await coordinator.begin(request('known'), accepted)).begun).toBe(false);
});
