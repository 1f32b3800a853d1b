/** A coordinator that is killed after a decision, and another one that ends what it began: one trace, one transaction. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';
import { Service as Process } from '../../examples/scenarios/processes.js';
import { TercetClient } from '../../src/client/index.js';
import { json, Service } from '../participants/service.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { Collector } from '../tracing/collector.js';

jest.setTimeout(120_000);
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const INITIATOR = '00f067aa0ba902b7';

let database: TestDatabase;
let collector: Collector;
let participant: Service;
const processes: Process[] = [];

beforeAll(async () => {
  database = await createDatabase();
  collector = await Collector.start();
  participant = await Service.start();
});
afterAll(async () => {
  for (const process of processes) await process.signal('SIGKILL');
  await participant.stop();
  await collector.stop();
  await database.drop();
});

async function coordinator(name: string): Promise<Process> {
  const process = new Process({
    name,
    script: fileURLToPath(new URL('../../bin/tercet.js', import.meta.url)),
    args: ['serve'],
    env: {
      DATABASE_URL: database.url,
      TERCET_LISTEN: '127.0.0.1:0',
      TERCET_NODE: name,
      TERCET_LEASE_MS: '1000',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '20',
    },
  });
  processes.push(process);
  await process.start();
  return process;
}

test('the spans of both nodes stand in the trace of the initiator, under one span of the transaction', async () => {
  const gid = randomUUID();
  const first = await coordinator('first');
  const second = await coordinator('second');
  const client = new TercetClient({ url: second.url });
  await client.putComponent('account', { url: participant.url, retry: { baseMs: 10 } });
  // Nobody answers a confirm of the first node.
  participant.answer = (response, asked) => void (asked.call.op === 'try' && json({ held: 1 })(response, asked));
  const begun = await fetch(`${first.url}/v1/transactions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent: `00-${TRACE}-${INITIATOR}-01` },
    body: JSON.stringify({ mode: 'tcc', gid, branches: [{ branchId: 'a', component: 'account' }] }),
  });
  expect(await begun.json()).toMatchObject({ decision: 'commit' });
  await participant.wasAsked(2);
  while (collector.of(gid).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await first.signal('SIGKILL');
  participant.answer = json({});
  const { beganAt, endedAt, status } = await client.wait(gid, { waitMs: 60_000 });
  expect(status).toBe('committed');
  await second.signal('SIGTERM');

  const spans = collector.of(gid);
  const shown = spans.map(({ name, resource }) => [name, resource['service.instance.id']]);
  expect(shown.sort()).toEqual([
    ['confirm account', 'second'],
    ['tcc transaction', 'second'],
    ['try account', 'first'],
  ]);
  const [transaction] = spans.filter(({ name }) => name === 'tcc transaction');
  expect(transaction).toMatchObject({ traceId: TRACE, parentSpanId: INITIATOR });
  expect([transaction!.beganAt, transaction!.endedAt]).toEqual([Date.parse(beganAt), Date.parse(endedAt!)]);
  const operations = spans.filter((span) => span !== transaction);
  expect(operations.map(({ traceId, parentSpanId }) => [traceId, parentSpanId])).toEqual([
    [TRACE, transaction!.spanId],
    [TRACE, transaction!.spanId],
  ]);
  // Both nodes called the confirm as the same span.
  const confirm = spans.find(({ name }) => name === 'confirm account');
  const confirms = participant.asked
    .filter(({ call }) => call.op === 'confirm')
    .map(({ headers }) => headers['traceparent']);
  expect(confirms.length).toBeGreaterThanOrEqual(2);
  expect(new Set(confirms)).toEqual(new Set([`00-${TRACE}-${confirm?.spanId}-01`]));
});
