/** A node with TERCET_TLS_CERT: docs/operations.md, "Keys, roles, TLS". */
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { jest } from '@jest/globals';
import { Agent, request } from 'undici';
import { Authority } from '../support/certificate.js';
import { begin, TestNode } from './node.js';

const authority = new Authority('ours');
const folder = mkdtempSync(join(tmpdir(), 'tercet-tls-'));
const certFile = join(folder, 'cert.pem');
const keyFile = join(folder, 'key.pem');
const agent = new Agent({ connect: { ca: authority.cert } });

let node: TestNode;

function put({ cert, key }: { cert: string; key: string }): void {
  for (const [file, text] of [
    [certFile, cert],
    [keyFile, key],
  ] as const) {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }
}

/** What a new connection sees of the certificate. */
async function seen(options: ConnectionOptions = {}): Promise<{ fingerprint: string; protocol: string | null }> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(node.url).port), ca: authority.cert, ...options });
  await once(socket, 'secureConnect');
  const shown = { fingerprint: socket.getPeerCertificate().fingerprint256, protocol: socket.getProtocol() };
  socket.destroy();
  return shown;
}

async function send(
  method: 'GET' | 'PUT' | 'POST',
  path: string,
  body?: object,
): Promise<{ status: number; text: string }> {
  const headers = { 'content-type': 'application/json' };
  const sent = body ? { body: JSON.stringify(body), headers } : {};
  const answer = await request(node.url + path, { method, ...sent, dispatcher: agent });
  return { status: answer.statusCode, text: await answer.body.text() };
}

beforeAll(async () => {
  put(authority.issue());
  // Of all that tells the time, intervals alone: a minute passes when the test says so.
  const real = [
    'Date',
    'hrtime',
    'performance',
    'nextTick',
    'queueMicrotask',
    'setImmediate',
    'clearImmediate',
  ] as const;
  jest.useFakeTimers({ doNotFake: [...real, 'setTimeout', 'clearTimeout'] });
  node = await TestNode.start({ TERCET_TLS_CERT: certFile, TERCET_TLS_KEY: keyFile });
});

afterAll(async () => {
  await agent.close();
  await node.stop();
  jest.useRealTimers();
  rmSync(folder, { recursive: true });
});

test('it speaks HTTPS, by TLS 1.2 or 1.3 and nothing older, and names itself so', async () => {
  expect(node.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  expect((await send('PUT', '/v1/components/account', { url: node.participant.url })).status).toBe(201);
  const begun = await send('POST', '/v1/transactions', begin({ wait: 'settled' }));
  expect([begun.status, (JSON.parse(begun.text) as { status: string }).status]).toEqual([201, 'committed']);
  expect((await seen({ maxVersion: 'TLSv1.2' })).protocol).toBe('TLSv1.2');
  expect((await seen()).protocol).toBe('TLSv1.3');
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const;
  await expect(seen(old)).rejects.toThrow();
});

test('plain HTTP is refused there, without an answer', async () => {
  const before = await node.recorded();
  const asked = plainRequest(node.url.replace('https', 'http') + '/v1/transactions', { method: 'POST' });
  asked.end('{}');
  const [error] = (await once(asked, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toMatch(/ECONNRESET|HPE_/);
  expect(await node.recorded()).toEqual(before);
});

test('what is no HTTP, within TLS, gets the coded answer', async () => {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(node.url).port), ca: authority.cert });
  await once(socket, 'secureConnect');
  socket.write('what?\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toContain('TERCET_REQUEST_MALFORMED');
});

test('a certificate that is replaced in its files is shown within a minute; one that does not fit is not', async () => {
  const { fingerprint } = await seen();
  put(authority.issue());
  jest.advanceTimersByTime(60_000);
  const renewed = await seen();
  expect(renewed.fingerprint).not.toBe(fingerprint);

  put({ cert: authority.issue().cert, key: authority.issue().key });
  jest.advanceTimersByTime(60_000);
  expect(await seen()).toEqual(renewed);
  rmSync(keyFile);
  jest.advanceTimersByTime(60_000);
  expect(await seen()).toEqual(renewed);
  put(authority.issue());
  jest.advanceTimersByTime(60_000);
  expect((await seen()).fingerprint).not.toBe(renewed.fingerprint);
});

test('who connects and never shakes hands does not hold up the end of the node', async () => {
  const other = await node.beside({ TERCET_TLS_CERT: certFile, TERCET_TLS_KEY: keyFile });
  const silent = connectPlain(Number(new URL(other.url).port), '127.0.0.1');
  await once(silent, 'connect');
  const closed = once(silent, 'close');
  await other.drain();
  await closed;
});
