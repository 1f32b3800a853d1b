/** Calls to several instances of a component, each a real server. */
import type { Outcome } from '../../src/domain/transaction.js';
import type { CallRequest, Component, Instance } from '../../src/engine/ports.js';
import { AllowList } from '../../src/participants/allow-list.js';
import { HttpParticipants } from '../../src/participants/http.js';
import { PoolSender } from '../../src/participants/sender.js';
import { ManualClock } from './manual-clock.js';
import { component, request } from './request.js';
import { raw, Service } from './service.js';

let clock: ManualClock;
let participants: HttpParticipants;
let own: Service;
let a: Service;
let b: Service;
let live: Instance[];
let account: Component;

beforeEach(async () => {
  clock = new ManualClock();
  participants = new HttpParticipants(new PoolSender(new AllowList('127.0.0.0/8'), clock), clock);
  [own, a, b] = await Promise.all([Service.start(), Service.start(), Service.start()]);
  live = [instance('a', a.url), instance('b', b.url)];
  account = component(own.url, { instances: () => live });
});

afterEach(async () => {
  await participants.close();
  await Promise.all([own.stop(), a.stop(), b.stop()]);
});

function instance(name: string, url: string, aliveUntil = Infinity): Instance {
  return { name, url: `${url}/at/${name}`, aliveUntil };
}

/** Where nobody listens. */
async function closedUrl(): Promise<string> {
  const gone = await Service.start();
  await gone.stop();
  return gone.url;
}

const call = (branchId: string, over: Partial<CallRequest> = {}): Promise<Outcome> =>
  participants.call(request(account, { branchOver: { branchId }, ...over }));

async function callMany(count: number, from = 0): Promise<string[]> {
  const kinds: string[] = [];
  for (let index = 0; index < count; index += 1) kinds.push((await call(`many-${from + index}`)).kind);
  return kinds;
}

const asked = (): number[] => [own, a, b].map((service) => service.asked.length);

test('calls go to the instances in turn, under their own URLs, and not to the component', async () => {
  await callMany(6);
  expect(asked()).toEqual([0, 3, 3]);
  expect(a.asked[0]?.path).toBe('/at/a/try');
});

test('without live instances calls go to the component, and an operation may have a URL of its own', async () => {
  account = component(own.url, { instances: (op) => (op === 'confirm' ? [] : live) });
  await call('x', { op: 'confirm' });
  expect(asked()).toEqual([1, 0, 0]);
  live = [];
  await callMany(2);
  expect(asked()).toEqual([3, 0, 0]);
});

test('a refused connection goes to another instance in the same attempt, once, and no further call meets it', async () => {
  live = [instance('a', a.url), instance('dead', await closedUrl())];
  expect(await callMany(6)).toEqual(Array(6).fill('done'));
  expect(a.asked.map(({ call: { attempt, branchId } }) => [attempt, branchId])).toEqual(
    Array.from({ length: 6 }, (_, index) => [1, `many-${index}`]),
  );
  expect(participants.observed('account', 'dead')).toMatchObject({ breaker: 'open', failureRate: 1 });
  expect(participants.observed('account', 'a')).toEqual({ inFlight: 0, failureRate: 0, breaker: 'closed' });
});

test('a host that is not permitted, or a name that does not resolve, is left out like a dead one', async () => {
  live = [instance('a', a.url), instance('far', 'http://10.1.2.3:1'), instance('none', 'http://no.invalid')];
  expect(await callMany(6)).toEqual(Array(6).fill('done'));
  expect(a.asked).toHaveLength(6);
});

test('no connection in time goes elsewhere in the same attempt', async () => {
  let lookedUp = (): void => undefined;
  const isLookedUp = new Promise<void>((resolve) => (lookedUp = resolve));
  // The name server is as silent as an address to which nobody answers.
  const allowList = Object.assign(new AllowList('127.0.0.0/8,slow.test'), { lookup: () => lookedUp() });
  await participants.close();
  participants = new HttpParticipants(new PoolSender(allowList, clock), clock);
  live = [instance('slow', 'http://slow.test'), instance('b', b.url)];
  const [one, other] = [call('1'), call('2')];
  await Promise.all([isLookedUp, Promise.race([one, other])]);
  clock.pass(3000);
  expect(await Promise.all([one, other])).toMatchObject([{ kind: 'done' }, { kind: 'done' }]);
  expect(b.asked.map((one) => one.call.attempt)).toEqual([1, 1]);
  expect(participants.observed('account', 'slow').breaker).toBe('open');
});

test('a call that may have arrived is not repeated in the same attempt; the next one goes to another instance', async () => {
  for (const service of [a, b]) service.answer = (response) => void response.destroy();
  const outcome = await call('x');
  expect(outcome).toMatchObject({ kind: 'unknown', detail: expect.stringMatching(/ \(instance [ab]\)$/) as string });
  expect(a.asked.length + b.asked.length).toBe(1);
  const [silent, other] = a.asked.length === 1 ? [a, b] : [b, a];
  other.answer = raw('', 425);
  await callMany(1);
  // Every other time it would be the turn of the silent one.
  for (let count = 0; count < 3; count += 1) expect((await call('x', { attempt: 2 })).kind).toBe('pending');
  other.answer = raw('');
  expect((await call('x', { attempt: 2 })).kind).toBe('done');
  expect([silent.asked.length, other.asked.length]).toEqual([1, 5]);
});

test('an instance that is frozen costs a call its time, once; the retry is answered by another one', async () => {
  a.answer = () => undefined;
  b.answer = () => undefined;
  const frozen = call('x');
  await Promise.race([a.wasAsked(1), b.wasAsked(1)]);
  const [cold, warm] = a.asked.length === 1 ? [a, b] : [b, a];
  warm.answer = raw('');
  clock.pass(3000);
  expect(await frozen).toMatchObject({ kind: 'unknown' });
  expect((await call('x', { attempt: 2 })).kind).toBe('done');
  expect([cold.asked.length, warm.asked.length]).toEqual([1, 1]);
});

test('a frozen instance gets hardly more than the others have under way', async () => {
  a.answer = () => undefined;
  const calls: Promise<string[]>[] = [];
  for (let lane = 0; lane < 4; lane += 1) calls.push(callMany(10, lane * 10));
  // Half of the lanes go on.
  await b.wasAsked(20);
  expect(a.asked.length).toBe(2);
  a.answer = raw('');
  clock.pass(3000);
  await Promise.all(calls);
});

test('when every instance is dead the call is unknown, and then postponed until one can be called', async () => {
  live = [instance('a', await closedUrl()), instance('b', await closedUrl())];
  expect(await call('x')).toMatchObject({ kind: 'unknown', detail: expect.stringMatching(/refused/) as string });
  let woken = 0;
  const wake = (): void => void (woken += 1);
  expect(await call('x', { attempt: 2, wake })).toMatchObject({ kind: 'postponed' });
  clock.pass(499);
  expect(woken).toBe(0);
  expect(asked()).toEqual([0, 0, 0]);
  live = [instance('a', a.url), instance('b', b.url)];
  clock.pass(1);
  expect(woken).toBe(1);
  expect((await call('x', { attempt: 2 })).kind).toBe('done');
});

test('an expired lease is left out, and the instance is back with its next beat', async () => {
  live = [instance('a', a.url, clock.monotonic() + 1000), instance('b', b.url)];
  clock.pass(1000);
  await callMany(4);
  expect(asked()).toEqual([0, 0, 4]);
  live = [instance('a', a.url, clock.monotonic() + 1000), instance('b', b.url)];
  await callMany(4);
  expect(asked()).toEqual([0, 2, 6]);
});

test('a call in line goes where instances are when its turn comes', async () => {
  const held: (() => void)[] = [];
  a.answer = (response) => held.push(() => response.end());
  live = [instance('a', a.url)];
  account = component(own.url, { concurrency: 1, instances: () => live });
  const [first, second] = [call('1'), call('2')];
  await a.wasAsked(1);
  live = [instance('a', b.url)];
  held[0]?.();
  await Promise.all([first, second]);
  expect(asked()).toEqual([0, 1, 1]);
});

test('calls under way are counted for the instance that has them', async () => {
  live = [instance('a', a.url)];
  let answer = (): void => undefined;
  a.answer = (response) => (answer = () => void response.writeHead(503).end());
  const pending = call('x');
  await a.wasAsked(1);
  expect(participants.observed('account', 'a')).toEqual({ inFlight: 1, failureRate: 0, breaker: 'closed' });
  answer();
  await pending;
  expect(participants.observed('account', 'a')).toEqual({ inFlight: 0, failureRate: 1, breaker: 'closed' });
  expect(participants.observed('account', null)).toEqual({ inFlight: 0, failureRate: 0, breaker: 'closed' });
});

test('a call that its lease does not let leave goes nowhere, and blames nobody', async () => {
  live = [instance('dead', await closedUrl()), instance('gone', await closedUrl())];
  let asks = 0;
  const outcome = await call('x', { mayLeave: () => (asks += 1) === 1 });
  expect(outcome.kind).toBe('unknown');
  const states = ['dead', 'gone'].map((name) => participants.observed('account', name).breaker);
  expect(states.sort()).toEqual(['closed', 'open']);
});

test('a prepared call leads to an instance, not to the one that is out, and to the component without any', async () => {
  const sendable = request(account);
  const urls = [1, 2, 3, 4].map(() => participants.prepare(sendable).url);
  expect(new Set(urls)).toEqual(new Set([`${a.url}/at/a/try`, `${b.url}/at/b/try`]));
  live = [instance('dead', await closedUrl()), instance('b', b.url)];
  await callMany(2);
  for (let count = 0; count < 4; count += 1) expect(participants.prepare(sendable).url).toBe(`${b.url}/at/b/try`);
  live = [];
  expect(participants.prepare(sendable).url).toBe(`${own.url}/try`);
});
