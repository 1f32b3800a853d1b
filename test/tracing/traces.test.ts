/** One trace from whoever begins a transaction to whoever takes part, and its spans as a collector gets them. */
import type { TransactionView } from '../../src/protocol/words.js';
import { begin, TestNode } from '../http/node.js';
import { until } from '../client/until.js';
import { json, raw } from '../participants/service.js';
import type { Answer } from '../participants/service.js';
import { Collector } from './collector.js';
import type { SeenSpan } from './collector.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const INITIATOR = '00f067aa0ba902b7';
const SAMPLED = `00-${TRACE}-${INITIATOR}-01`;

let collector: Collector;
let node: TestNode;

/** What OpenTelemetry reads by itself; the last spans go out when the node stops. */
async function start(env: Record<string, string> = {}): Promise<void> {
  Object.assign(process.env, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env });
  const { OTEL_EXPORTER_OTLP_ENDPOINT = '' } = process.env;
  node = await TestNode.start({ TERCET_NODE: 'n-1', OTEL_EXPORTER_OTLP_ENDPOINT });
  await node.component('account', { retry: { baseMs: 1, capMs: 2, maxAttempts: 2 } });
}

async function spansOf(gid: string): Promise<SeenSpan[]> {
  await node.stop();
  return collector.of(gid);
}

beforeEach(async () => {
  collector = await Collector.start();
});
afterEach(async () => {
  await collector.stop();
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name];
});

/** Begins and waits for the end. */
async function run(gid: string, headers: Record<string, string> = {}, over: object = {}): Promise<TransactionView> {
  const { body } = await node.post('/v1/transactions', begin({ gid, wait: 'settled', ...over }), headers);
  return body;
}

/** What the participant got, as [trace, parent, flags] by operation. */
function received(gid: string): Record<string, string[]> {
  const calls = node.participant.asked.filter(({ call }) => call.gid === gid);
  return Object.fromEntries(
    calls.map(({ call, headers }) => [call.op, String(headers['traceparent']).split('-').slice(1)]),
  );
}

const inTurn = (...answers: Answer[]): Answer => {
  const rest = [...answers];
  return (response, asked) => (rest.shift() ?? json({}))(response, asked);
};

test('the initiator, the transaction, its operations and the participant stand in one trace, each under the one before', async () => {
  await start();
  const { beganAt, decidedAt, endedAt } = await run('order-1', { traceparent: SAMPLED });
  const calls = received('order-1');
  const spans = await spansOf('order-1');
  expect(collector.paths).toEqual(new Set(['/v1/traces']));
  expect(spans.map(({ name }) => name).sort()).toEqual(['confirm account', 'tcc transaction', 'try account']);
  const [transaction, attempt, confirm] = ['tcc transaction', 'try account', 'confirm account'].map((name) =>
    spans.find((span) => span.name === name)!,
  );
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
  expect(transaction!.parentSpanId).toBe(INITIATOR);
  expect([attempt!.parentSpanId, confirm!.parentSpanId]).toEqual([transaction!.spanId, transaction!.spanId]);
  expect(calls).toEqual({ try: [TRACE, attempt!.spanId, '01'], confirm: [TRACE, confirm!.spanId, '01'] });
  expect(new Set([INITIATOR, ...spans.map(({ spanId }) => spanId)]).size).toBe(4);
  expect([transaction!.beganAt, transaction!.endedAt]).toEqual([Date.parse(beganAt), Date.parse(endedAt!)]);
  expect([attempt!.beganAt, confirm!.beganAt]).toEqual([Date.parse(beganAt), Date.parse(decidedAt!)]);
  expect(transaction).toMatchObject({
    isError: false,
    attributes: { 'tercet.gid': 'order-1', 'tercet.mode': 'tcc', 'tercet.status': 'committed', 'tercet.branches': 1 },
    events: [{ name: 'decided', at: Date.parse(decidedAt!), attributes: { 'tercet.decision': 'commit' } }],
    resource: { 'service.name': 'tercet', 'service.instance.id': 'n-1' },
  });
});

test('the attempts of an operation are events of its one span', async () => {
  await start();
  node.participant.answer = inTurn(raw('', 500), raw('', 425, { 'retry-after': '0' }), json({ held: 1 }));
  await run('order-2');
  const sent = node.participant.asked
    .filter(({ call }) => call.op === 'try')
    .map(({ headers }) => headers['traceparent']);
  expect(new Set(sent).size).toBe(1);
  const attempt = (await spansOf('order-2')).filter(({ name }) => name === 'try account');
  expect(attempt).toHaveLength(1);
  expect(attempt[0]).toMatchObject({ isError: false, attributes: { 'tercet.outcome': 'done' } });
  const events = attempt[0]!.events.map(({ attributes }) => [
    attributes['tercet.attempt'],
    attributes['tercet.outcome'],
  ]);
  expect(events).toEqual([
    [1, 'unknown'],
    [2, 'pending'],
    [2, 'done'],
  ]);
});

test('a no is no error; a try that nobody answered is one, and so is the transaction that it aborted', async () => {
  await start();
  node.participant.answer = inTurn(json({ reason: 'sold out' }, 409));
  await run('refused');
  node.participant.answer = inTurn(raw('', 500), raw('', 500), raw('', 500));
  await run('unknown');
  const refused = await spansOf('refused');
  const shown = (spans: SeenSpan[]) =>
    spans.map(({ name, isError, attributes }) => [name, isError, attributes['tercet.reason'] ?? null]).sort();
  expect(shown(refused)).toEqual([
    ['cancel account', false, null],
    ['tcc transaction', false, 'refused'],
    ['try account', false, null],
  ]);
  expect(shown(collector.of('unknown'))).toEqual([
    ['cancel account', false, null],
    ['tcc transaction', true, 'unknown'],
    ['try account', true, null],
  ]);
  expect(collector.of('unknown').find(({ name }) => name === 'try account')?.events).toHaveLength(3);
});

test('an operation that is given up is told at once, and once it is resumed it has another span', async () => {
  await start({ OTEL_BSP_SCHEDULE_DELAY: '20' });
  const failing =
    (op: string): Answer =>
    (response, asked) =>
      (asked.call.op === op ? raw('', 500) : json({}))(response, asked);
  node.participant.answer = failing('confirm');
  expect((await run('parked')).parked).not.toBeNull();
  await until('the confirm is sent', async () => collector.of('parked').some(({ name }) => name === 'confirm account'));
  node.participant.answer = json({});
  await node.post('/v1/transactions/parked/resume', { reason: 'repaired' });
  await node.get('/v1/transactions/parked?wait=settled');
  const confirms = (await spansOf('parked')).filter(({ name }) => name === 'confirm account');
  expect(confirms.map(({ isError, events }) => [isError, events.length])).toEqual([
    [true, 2],
    [false, 1],
  ]);
  expect(new Set(confirms.map(({ spanId }) => spanId)).size).toBe(2);
});

test('a try that its initiator calls stands under the transaction', async () => {
  await start();
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'driven', drive: 'initiator' }, { traceparent: SAMPLED });
  const branch = { branchId: 'a', component: 'account' };
  const { body } = await node.post<{ call: { headers: Record<string, string> } }>(
    '/v1/transactions/driven/branches',
    branch,
  );
  await node.post('/v1/transactions/driven/submit', { wait: 'settled' });
  const spans = await spansOf('driven');
  const transaction = spans.find(({ name }) => name === 'tcc transaction');
  expect(body.call.headers['traceparent']).toBe(`00-${TRACE}-${transaction?.spanId}-01`);
  expect(spans.map(({ name }) => name).sort()).toEqual(['confirm account', 'tcc transaction']);
});

test.each([
  ['none', undefined],
  ['one that is malformed', `00-${TRACE}-${INITIATOR}`],
])('with %s in the begin the transaction has a trace of its own', async (_what, traceparent) => {
  await start();
  await run('own', traceparent === undefined ? {} : { traceparent });
  const calls = received('own');
  const spans = await spansOf('own');
  const { traceId, parentSpanId } = spans.find(({ name }) => name === 'tcc transaction')!;
  expect(traceId).toMatch(/^[0-9a-f]{32}$/);
  expect([traceId === TRACE, parentSpanId]).toEqual([false, '']);
  expect([calls['try']?.[0], calls['confirm']?.[0]]).toEqual([traceId, traceId]);
});

describe('what is not sampled is not sent, and participants are told so', () => {
  test('by the initiator', async () => {
    await start();
    await run('unsampled', { traceparent: `00-${TRACE}-${INITIATOR}-00` });
    const calls = Object.values(received('unsampled'));
    expect(calls.map(([traceId, , flags]) => [traceId, flags])).toEqual([
      [TRACE, '00'],
      [TRACE, '00'],
    ]);
    expect(await spansOf('unsampled')).toEqual([]);
  });

  test('by the sampler of this node, once for the whole transaction', async () => {
    await start({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' });
    await run('off');
    const calls = Object.values(received('off'));
    expect(new Set(calls.map(([traceId]) => traceId)).size).toBe(1);
    expect(calls.map(([, , flags]) => flags)).toEqual(['00', '00']);
    await run('on', { traceparent: SAMPLED });
    expect(await spansOf('off')).toEqual([]);
    expect(collector.of('on')).toHaveLength(3);
  });
});

test('the name of the service, and more of it, are those of the standard variables', async () => {
  await start({ OTEL_SERVICE_NAME: 'shop-tercet', OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test' });
  await run('named');
  const [span] = await spansOf('named');
  expect(span?.resource).toMatchObject({ 'service.name': 'shop-tercet', 'deployment.environment.name': 'test' });
});

test('without the setting nothing is sent, and the trace of the initiator is passed on as it came', async () => {
  await start({ OTEL_EXPORTER_OTLP_ENDPOINT: '' });
  await run('passed-on', { traceparent: SAMPLED });
  const here = [TRACE, INITIATOR, '01'];
  expect(received('passed-on')).toEqual({ try: here, confirm: here });
  await node.stop();
  expect(collector.paths.size).toBe(0);
});

test('a collector that is away keeps nothing from being done, nor the node from ending', async () => {
  await start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_TIMEOUT: '500' });
  expect(await run('away')).toMatchObject({ status: 'committed' });
  await node.stop();
});
