/** Calls to https:// targets: whom this node trusts, and what it shows of itself. docs/operations.md, "Keys, roles, TLS". */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome } from '../../src/domain/transaction.js';
import { AllowList } from '../../src/participants/allow-list.js';
import { HttpParticipants } from '../../src/participants/http.js';
import { unreachable } from '../../src/participants/reach.js';
import { PoolSender } from '../../src/participants/sender.js';
import type { TimelineView } from '../../src/protocol/words.js';
import { readSettings } from '../../src/settings.js';
import { begin, TestNode } from '../http/node.js';
import { Authority } from '../support/certificate.js';
import { ManualClock } from './manual-clock.js';
import { request } from './request.js';
import { json, Service } from './service.js';

const ours = new Authority('ours');
const theirs = new Authority('theirs');
const folder = mkdtempSync(join(tmpdir(), 'tercet-tls-'));
const mine = ours.issue('the coordinator');
const CA = { TERCET_CALL_CA: file('ca.pem', ours.cert) };
const CLIENT = { TERCET_CALL_CERT: file('cert.pem', mine.cert), TERCET_CALL_KEY: file('key.pem', mine.key) };

let services: Service[];

beforeEach(() => {
  services = [];
});

afterEach(async () => {
  for (const service of services) await service.stop();
});

afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function service(tls?: ServerOptions): Promise<Service> {
  const started = await Service.start(json({ held: 300 }), '127.0.0.1', tls);
  services.push(started);
  return started;
}

async function call(env: Record<string, string>, url: string): Promise<Outcome> {
  const { callTls } = readSettings(env);
  const allowList = new AllowList('127.0.0.0/8,localhost');
  const participants = new HttpParticipants(new PoolSender(allowList, new ManualClock(), callTls), new ManualClock());
  return participants.call(request(url)).finally(() => participants.close());
}

const DONE = { kind: 'done', reply: '{"held":300}' };
const NOT_TRUSTED = {
  kind: 'unknown',
  hasLeft: false,
  detail: expect.stringMatching(/^the certificate is not accepted \(\w+\)$/) as string,
};

test('a participant with a certificate of TERCET_CALL_CA is called, by address and by name', async () => {
  const { url } = await service(ours.issue());
  expect(await call(CA, url)).toEqual(DONE);
  expect(await call(CA, url.replace('127.0.0.1', 'localhost'))).toEqual(DONE);
});

test('one of another authority is not: the call is unknown, and it is told nothing', async () => {
  const other = await service(theirs.issue());
  expect(await call(CA, other.url)).toEqual(NOT_TRUSTED);
  expect(await call({}, other.url)).toEqual(NOT_TRUSTED);
  expect(await call(CLIENT, other.url)).toEqual(NOT_TRUSTED);
  expect(other.asked).toEqual([]);
});

test('whether it can be reached goes by the same authorities and certificate', async () => {
  const { url } = await service({ ...ours.issue(), ca: ours.cert, requestCert: true, rejectUnauthorized: true });
  const troubles = (env: Record<string, string>): Promise<Map<string, string>> =>
    unreachable([url], new AllowList('127.0.0.0/8'), readSettings(env).callTls);
  expect(await troubles({ ...CA, ...CLIENT })).toEqual(new Map());
  expect(await troubles({})).toEqual(new Map([[url, NOT_TRUSTED.detail]]));
});

test('one whose certificate is of another host is not', async () => {
  const { url, asked } = await service(ours.issue());
  expect(await call(CA, url.replace('127.0.0.1', '127.0.0.2'))).toMatchObject({ kind: 'unknown' });
  expect(asked).toEqual([]);
});

test('several authorities may stand in one file', async () => {
  const both = { TERCET_CALL_CA: file('both.pem', `a comment\n${theirs.cert}\n${ours.cert}`) };
  for (const authority of [ours, theirs])
    expect(await call(both, (await service(authority.issue())).url)).toEqual(DONE);
});

test('one that demands a client certificate is shown that of TERCET_CALL_CERT', async () => {
  const { url, asked } = await service({ ...ours.issue(), ca: ours.cert, requestCert: true, rejectUnauthorized: true });
  expect(await call({ ...CA, ...CLIENT }, url)).toEqual(DONE);
  expect(asked).toHaveLength(1);
  const refused = { kind: 'unknown' };
  expect(await call(CA, url)).toMatchObject(refused);
  const stranger = theirs.issue();
  const other = { TERCET_CALL_CERT: file('o.pem', stranger.cert), TERCET_CALL_KEY: file('ok.pem', stranger.key) };
  expect(await call({ ...CA, ...other }, url)).toMatchObject(refused);
  expect(asked).toHaveLength(1);
});

test('one that speaks less than TLS 1.2 is not called', async () => {
  const { url } = await service({
    ...ours.issue(),
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'ALL@SECLEVEL=0',
  });
  expect(await call(CA, url)).toMatchObject({ kind: 'unknown' });
});

test('http:// is called as before', async () => {
  expect(await call({ ...CA, ...CLIENT }, (await service()).url)).toEqual(DONE);
});

test('the timeline says why a call came to nothing', async () => {
  const node = await TestNode.start(CA);
  const trusted = await service(ours.issue());
  const other = await service(theirs.issue());
  await node.component('account', { url: trusted.url });
  await node.component('other', { url: other.url, retry: { tryAttempts: 1, maxAttempts: 1 } });
  const branches = ['account', 'other'].map((component) => ({ branchId: component, component }));
  const { body } = await node.post('/v1/transactions', begin({ gid: 'doubted', branches, wait: 'settled' }));
  expect([body.decision, body.reason]).toEqual([
    'abort',
    { kind: 'unknown', branchId: 'other', detail: expect.stringContaining('the certificate is not accepted') },
  ]);
  const timeline = await node.get<TimelineView>('/v1/transactions/doubted/timeline');
  const calls = timeline.body.events.filter(({ kind, branchId }) => kind === 'call' && branchId === 'other');
  expect(calls[0]).toMatchObject({ op: 'try', outcome: 'unknown', detail: NOT_TRUSTED.detail });
  expect(trusted.asked.map(({ call: { op } }) => op)).toEqual(['try', 'cancel']);
  expect(other.asked).toEqual([]);
  await node.stop();
});
