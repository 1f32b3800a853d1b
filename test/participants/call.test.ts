/** The call as it leaves: docs/wire.md, section 7. */
import { verifyCall } from '../../src/client/index.js';
import { AllowList } from '../../src/participants/allow-list.js';
import { HttpParticipants } from '../../src/participants/http.js';
import { PoolSender } from '../../src/participants/sender.js';
import { SigningSecrets } from '../../src/protocol/signature.js';
import { transaction } from '../contract/sample.js';
import { ManualClock } from './manual-clock.js';
import { component, request } from './request.js';
import { json, Service } from './service.js';

let participants: HttpParticipants;
let service: Service;

beforeEach(async () => {
  participants = new HttpParticipants(
    new PoolSender(new AllowList('127.0.0.0/8'), new ManualClock()),
    new ManualClock(),
  );
  service = await Service.start();
});

afterEach(async () => {
  await participants.close();
  await service.stop();
});

test('the body and the headers are those of the contract', async () => {
  const asked = request(component(service.url, { timeoutMs: 2500 }), {
    op: 'confirm',
    attempt: 2,
    branchOver: { payload: '{"amount":300}', reply: '{"held":300}' },
  });
  await participants.call(asked);
  const [call] = service.asked;
  expect(call).toMatchObject({ method: 'POST', path: '/confirm' });
  expect(call?.call).toEqual({
    gid: 'order-17',
    branchId: 'a',
    op: 'confirm',
    attempt: 2,
    mode: 'tcc',
    component: 'account',
    beganAt: '2026-01-02T03:04:05.678Z',
    payload: { amount: 300 },
    reply: { held: 300 },
  });
  expect(call?.headers).toMatchObject({
    'content-type': 'application/json',
    'tercet-gid': 'order-17',
    'tercet-branch': 'a',
    'tercet-op': 'confirm',
    'tercet-attempt': '2',
    'tercet-timeout-ms': '2500',
  });
});

test('payload and reply go out as they came in, to the letter; no reply is null', async () => {
  const payload = '{ "b": 1.50, "a": "\\u00e4", "__proto__": [9007199254740991] }';
  await participants.call(request(service.url, { branchOver: { payload } }));
  expect(service.asked[0]?.text).toContain(`"payload":${payload},"reply":null}`);
});

test('the calls of one transaction share a trace, each with an id of its own; another transaction has another', async () => {
  const tx = transaction({ gid: 'order-18' });
  await participants.call(request(service.url));
  await participants.call(request(service.url, { op: 'confirm' }));
  await participants.call(request(service.url, { tx }));
  const [first, second, other] = service.asked.map(({ headers }) => String(headers['traceparent']).split('-'));
  expect(first?.join('-')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(second?.[1]).toBe(first?.[1]);
  expect(second?.[2]).not.toBe(first?.[2]);
  expect(other?.[1]).not.toBe(first?.[1]);
});

test('each operation goes to its own URL, with its query', async () => {
  const targets = { try: `${service.url}/reserve?shop=1&x=%20`, confirm: `${service.url}/`, cancel: service.url };
  for (const op of ['try', 'confirm', 'cancel'] as const) {
    await participants.call(request(component(service.url, { targets }), { op }));
  }
  expect(service.asked.map(({ path }) => path)).toEqual(['/reserve?shop=1&x=%20', '/', '/']);
});

test('a prepared call, sent by somebody else, is the same call', async () => {
  const asked = request(component(service.url));
  const { url, headers, body } = participants.prepare(asked);
  await participants.call(asked);
  const answer = await fetch(url, { method: 'POST', headers, body });
  expect(answer.status).toBe(200);
  const [coordinators, initiators] = service.asked;
  expect(initiators?.text).toBe(coordinators?.text);
  for (const name of ['gid', 'branch', 'op', 'attempt', 'timeout-ms']) {
    expect(initiators?.headers[`tercet-${name}`]).toBe(coordinators?.headers[`tercet-${name}`]);
  }
});

describe('with a secret', () => {
  const secret = 's'.repeat(32);
  let signing: HttpParticipants;

  beforeEach(() => {
    signing = new HttpParticipants(
      new PoolSender(new AllowList('127.0.0.0/8'), new ManualClock()),
      new ManualClock(),
      new SigningSecrets(secret),
    );
  });
  afterEach(() => signing.close());

  test('each call is signed as it leaves, with the path and query of its own URL', async () => {
    const path = '/reserve?shop=1&x=%20';
    const targets = { try: `${service.url}${path}` };
    const asked = request(component(service.url, { targets }), { branchOver: { payload: '{ "for": "Zo\u00eb ☂" }' } });
    await signing.call(asked);
    await signing.call(asked);
    for (const { headers, text } of service.asked) {
      verifyCall({ method: 'POST', path, headers, body: text, secrets: secret, toleranceMs: 1e15 });
    }
    expect(service.asked).toHaveLength(2);
  });

  test('a prepared call is signed, with the time at which it was prepared', () => {
    const { url, headers, body } = signing.prepare(request(service.url));
    const { pathname: path } = new URL(url);
    expect(() => verifyCall({ method: 'POST', path, headers, body, secrets: secret, toleranceMs: 1e15 })).not.toThrow();
    expect(headers['tercet-signature']).toMatch(new RegExp(`^t=${Math.floor(new ManualClock().now() / 1000)},`));
  });
});

test('without a secret no call is signed', () => {
  expect(participants.prepare(request(service.url)).headers).not.toHaveProperty('tercet-signature');
});

test('calls one after the other do not open a connection each', async () => {
  const ports = new Set<number | undefined>();
  service.answer = (response, asked) => {
    ports.add(response.socket?.remotePort);
    json({})(response, asked);
  };
  for (let count = 0; count < 10; count += 1) await participants.call(request(service.url));
  expect(ports.size).toBeLessThanOrEqual(2);
});

test('a call that may not leave is not sent, and is postponed', async () => {
  const outcome = await participants.call(request(service.url, { mayLeave: () => false }));
  expect(outcome).toMatchObject({ kind: 'postponed' });
  expect(service.asked).toEqual([]);
});
