/** Posts reach the webhook in order, signed, and are given up in bounds. */
import { Webhook } from '../../src/alerts/webhook.js';
import { SigningSecrets } from '../../src/protocol/signature.js';
import { ManualClock } from '../participants/manual-clock.js';
import { json, Service } from '../participants/service.js';

const SECRET = 'a secret that is long enough for it'.replaceAll(' ', '-');

let receiver: Service;
let clock: ManualClock;
let told: string[];
let lines: string[];
let webhook: Webhook;

beforeEach(async () => {
  receiver = await Service.start();
  clock = new ManualClock();
  told = [];
  lines = [];
  webhook = make(`${receiver.url}/hook/t0ken?channel=ops`);
});

afterEach(async () => {
  await webhook.stop();
  await receiver.stop();
});

function make(url: string): Webhook {
  const note = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { info: note, warn: note, error: note };
  const signing = new SigningSecrets(SECRET);
  return new Webhook({ url: new URL(url), signing, clock, logger, told: (outcome) => told.push(outcome) });
}

/** Time goes by until it is so. */
async function passing(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    clock.pass(60_000);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test('a post arrives once, as JSON, with the signature of its very bytes', async () => {
  webhook.post({ kind: 'parked', count: 1 });
  await receiver.wasAsked(1);
  const { method, path, headers, text } = receiver.asked[0]!;
  expect([method, path, headers['content-type']]).toEqual(['POST', '/hook/t0ken?channel=ops', 'application/json']);
  expect(JSON.parse(text)).toEqual({ kind: 'parked', count: 1 });
  const signed = { method, path, gid: '', op: 'alert', body: text };
  const header = headers['tercet-signature'] as string;
  expect(new SigningSecrets(SECRET).problem(header, signed, clock.now())).toBeNull();
  expect(new SigningSecrets(SECRET).problem(header, { ...signed, body: `${text} ` }, clock.now())).not.toBeNull();
  await webhook.stop();
  expect([told, receiver.asked.length]).toEqual([['delivered'], 1]);
});

test('what is not taken is posted again, later ones wait behind it, and order is kept', async () => {
  receiver.answer = (response) => void response.writeHead(receiver.asked.length < 3 ? 503 : 200).end();
  for (const count of [1, 2]) webhook.post({ count });
  await passing(() => told.length === 2);
  expect(receiver.asked.map(({ text }) => text)).toEqual(['{"count":1}', '{"count":1}', '{"count":1}', '{"count":2}']);
  expect(told).toEqual(['delivered', 'delivered']);
});

test('a post is given up after ten times, which is told and logged without what is secret in the URL', async () => {
  receiver.answer = json({}, 500);
  webhook.post({ count: 1 });
  await passing(() => told.length === 1);
  expect([told, receiver.asked.length]).toEqual([['dropped'], 10]);
  expect(lines.at(-1)).toContain('an alert was dropped');
  expect(lines.at(-1)).toContain('status 500');
  expect(lines.join('\n')).not.toContain('t0ken');
});

test.each([301, 302, 303, 307, 308])('a redirect with %d is not followed, it is no receipt', async (status) => {
  const other = await Service.start();
  receiver.answer = (response) => void response.writeHead(status, { location: other.url }).end();
  webhook.post({ count: 1 });
  await passing(() => told.length === 1);
  expect([told, receiver.asked.length, other.asked]).toEqual([['dropped'], 10, []]);
  expect(lines.at(-1)).toContain(`status ${status}`);
  await other.stop();
});

test('no more than a hundred wait', async () => {
  receiver.answer = json({}, 503);
  for (let count = 1; count <= 150; count += 1) webhook.post({ count });
  // One is on its way.
  expect(told).toEqual(Array.from({ length: 49 }, () => 'dropped'));
  await receiver.wasAsked(1);
  await webhook.stop();
  expect(told).toHaveLength(150);
});

test('the end of the node waits for who does not answer no longer than three seconds', async () => {
  receiver.answer = () => undefined;
  for (const count of [1, 2, 3]) webhook.post({ count });
  await receiver.wasAsked(1);
  const stopped = webhook.stop();
  clock.pass(2999);
  expect(told).toEqual([]);
  clock.pass(1);
  await stopped;
  expect(told).toEqual(['dropped', 'dropped', 'dropped']);
});
