/** Many transactions of a service that answers no more: nobody looks for nothing, and nobody is forgotten (G7, G10). */
import { Coordinator } from '../../src/engine/coordinator.js';
import { MemoryLog } from '../../src/engine/memory-log.js';
import { LogUnavailable } from '../../src/engine/ports.js';
import type { AnsweredCall, Component } from '../../src/engine/ports.js';
import { AllowList } from '../../src/participants/allow-list.js';
import { HttpParticipants } from '../../src/participants/http.js';
import { PoolSender } from '../../src/participants/sender.js';
import { ManualClock } from '../participants/manual-clock.js';
import { component } from '../participants/request.js';
import { json, Service } from '../participants/service.js';

const MANY = 400;
const accepted = { until: 'accepted', ms: 0 } as const;

let clock: ManualClock;
let log: MemoryLog;
let service: Service;
let participants: HttpParticipants;
let coordinator: Coordinator;
let silent: Component;
let answered: AnsweredCall[];

beforeEach(async () => {
  clock = new ManualClock();
  service = await Service.start(() => undefined);
  participants = new HttpParticipants(new PoolSender(new AllowList('127.0.0.0/8'), clock), clock);
  silent = component(service.url, { name: 'silent', concurrency: 16 });
  answered = [];
  log = new MemoryLog(clock);
  coordinator = new Coordinator({
    log,
    components: { get: () => silent, find: async () => silent },
    participants,
    clock,
    logger: { info() {}, warn() {}, error() {} },
    node: 'n',
    leaseMs: 10_000,
    observers: [{ answered: (call) => void answered.push(call) }],
  });
  await coordinator.start();
});

afterEach(async () => {
  const drained = coordinator.drain(0);
  await pass(10_000, 1000);
  await drained;
  await participants.close();
  await service.stop();
});

async function begin(count: number, deadlineMs = 3_600_000): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const branches = [{ branchId: 'a', component: 'silent', payload: 'null' }];
    const rest = { contentHash: 'h', drive: 'coordinator', businessKey: null, deadlineMs, branches } as const;
    await coordinator.begin({ gid: `g-${index}`, mode: 'tcc', ...rest }, accepted);
  }
}

/** Time goes by in steps, and after each all that follows from it has happened. */
async function pass(ms: number, stepMs = 100): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.pass(stepMs);
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

const postponed = (): number => answered.filter(({ outcome }) => outcome.kind === 'postponed').length;
const statusOf = async (gid: string): Promise<string> => (await coordinator.get(gid, null)).status;
const statuses = async (): Promise<string[]> => {
  const all = Array.from({ length: MANY }, (_, index) => statusOf(`g-${index}`));
  return [...new Set(await Promise.all(all))];
};

test('looks are of the order of the branches and their calls, however long it is silent', async () => {
  await begin(MANY);
  await pass(20_000);
  const calls = answered.length - postponed();
  expect(postponed()).toBeGreaterThan(MANY / 2);
  expect(postponed()).toBeLessThanOrEqual(MANY + calls);
});

test('all of them go on once it answers', async () => {
  await begin(MANY);
  await pass(20_000);
  service.answer = json({});
  await pass(15_000);
  expect(await statuses()).toEqual(['committed']);
});

test('a deadline that passes meanwhile aborts them, and they are cancelled once it answers', async () => {
  await begin(MANY, 10_000);
  await pass(9000);
  expect(await statusOf('g-399')).toBe('open');
  await pass(1000);
  expect(await statusOf('g-399')).toBe('aborting');
  service.answer = json({});
  await pass(15_000);
  expect(await statuses()).toEqual(['aborted']);
  const calls = service.asked.filter(({ call }) => call.gid === 'g-399').map(({ call }) => call.op);
  expect(calls).toEqual(['cancel']);
});

test('an order of a person is carried out at once, and age parks what waits', async () => {
  silent = { ...silent, retry: { ...silent.retry, maxAgeMs: 20_000 } };
  await begin(MANY);
  await pass(10_000);
  await coordinator.abort('g-399', null, accepted);
  expect(await statusOf('g-399')).toBe('aborting');
  await pass(25_000);
  const { parked } = await coordinator.get('g-399', null);
  expect(parked).toMatchObject({ op: 'cancel', why: 'cancel had no answer within maxAgeMs' });
});

test('those that were parked do not keep the others from asking', async () => {
  silent = { ...silent, retry: { ...silent.retry, maxAgeMs: 40_000 } };
  await begin(MANY);
  await pass(10_000);
  for (let index = 0; index < MANY - 1; index += 1) await coordinator.abort(`g-${index}`, null, accepted);
  await pass(20_000);
  await coordinator.abort('g-399', null, accepted);
  await pass(21_000);
  expect((await coordinator.get('g-398', null)).parked).not.toBeNull();
  service.answer = json({});
  await pass(18_000);
  expect(await statusOf('g-399')).toBe('aborted');
});

test('a time without a lease makes them wait no longer than it is', async () => {
  await begin(MANY);
  await pass(10_000);
  const renew = log.renew.bind(log);
  log.renew = () => Promise.reject(new LogUnavailable('no connection'));
  await pass(10_000);
  log.renew = renew;
  service.answer = json({});
  await pass(15_000);
  expect(await statuses()).toEqual(['committed']);
});

test('a node that drains does not wait for them', async () => {
  await begin(MANY);
  await pass(20_000);
  const drained = coordinator.drain(60_000);
  await pass(3000);
  await drained;
  expect(coordinator.underWay()).toEqual([]);
});
