/** What a process logs: for programs or for people, from a level on, and never what is secret, whatever goes wrong. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { newKey } from '../../src/http/keys.js';
import { begin } from '../http/node.js';
import { Service } from '../participants/service.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { Proxy } from '../support/proxy.js';

const script = fileURLToPath(new URL('../../bin/tercet.js', import.meta.url));
const SECRET = 'signing-secret-that-nobody-may-read';
const PAYLOAD = 'payload-that-nobody-may-read';
const REPLY = 'reply-that-nobody-may-read';
const HOOK = 'hook-that-nobody-may-read';

let database: TestDatabase;
let road: Proxy;
let service: Service;
let child: ChildProcess | null = null;
let output = '';

beforeEach(async () => {
  database = await createDatabase();
  road = await Proxy.start(database.url);
  service = await Service.start();
});

afterEach(async () => {
  child?.kill('SIGKILL');
  await service.stop();
  await road.stop();
  await database.drop();
});

/** Resolves to its URL when it listens. */
async function serve(env: Record<string, string>): Promise<string> {
  output = '';
  const { PATH } = process.env;
  child = spawn(process.execPath, [script, 'serve'], {
    env: { PATH, DATABASE_URL: road.url, TERCET_LISTEN: '127.0.0.1:0', TERCET_LEASE_MS: '1000', ...env },
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return (await printed(/listening on (http:\S+)/))[1] ?? '';
}

async function printed(what: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const found = what.exec(output);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function end(): Promise<void> {
  const ended = new Promise((resolve) => child?.once('close', resolve));
  child?.kill('SIGTERM');
  await ended;
}

/** All that can be wrong: bad requests, bad keys, services that quote what they were sent, a log that goes away. */
async function everythingFails(url: string, key: string): Promise<void> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
  const post = (path: string, body: string, more: Record<string, string> = {}): Promise<Response> =>
    fetch(url + path, { method: 'POST', headers: { ...headers, ...more }, body });
  const component = { url: service.url, retry: { baseMs: 1, capMs: 1, maxAttempts: 2 } };
  await fetch(`${url}/v1/components/account`, { method: 'PUT', headers, body: JSON.stringify(component) });
  const branches = [{ branchId: 'a', component: 'account', payload: PAYLOAD }];
  const request = (gid: string): string => JSON.stringify(begin({ gid, branches, wait: 'settled' }));
  service.answer = (response, { call, path }) => {
    if (path === `/${HOOK}`) return void response.writeHead(500).end();
    // It quotes what it was sent, as services do.
    if (call.op === 'try') response.writeHead(200).end(JSON.stringify(REPLY));
    else response.writeHead(500).end(JSON.stringify(call));
  };
  expect((await post('/v1/transactions', request('parked'))).status).toBe(202);
  await printed(/it waits for a person/);
  await post('/v1/transactions', `{"mode": "${PAYLOAD}`);
  await post('/v1/transactions', JSON.stringify({ [PAYLOAD]: PAYLOAD }));
  await post('/v1/transactions', JSON.stringify(PAYLOAD.repeat(100_000)));
  await post('/v1/transactions', request('other'), { authorization: `Bearer ${key}x` });
  await fetch(`${url}/v1/transactions/${PAYLOAD}`, { headers });
  service.answer = (response, { call, path }) => {
    if (path === `/${HOOK}`) return void response.writeHead(500).end();
    if (call.op === 'try') road.cut();
    response.writeHead(200).end(JSON.stringify(REPLY));
  };
  for (let count = 1; !output.includes('a write failed'); count += 1) {
    await post('/v1/transactions', request(`cut-${count}`)).catch(() => undefined);
  }
  await printed(/an alert was not taken/);
}

describe.each(['json', 'pretty'])('TERCET_LOG=%s', (format) => {
  test('no payload, no reply, no key, no secret and no password is ever printed', async () => {
    const { key, entry } = newKey('ops', 'admin');
    const url = await serve({
      TERCET_LOG: format,
      TERCET_KEYS: entry,
      TERCET_SIGNING_SECRET: SECRET,
      TERCET_ALERT_URL: `${service.url}/${HOOK}`,
    });
    await everythingFails(url, key);
    await end();
    const { password } = new URL(database.url);
    const hash = entry.split(':').at(-1) ?? '';
    const secrets = { PAYLOAD, REPLY, HOOK, SECRET, key, hash, password };
    const said = Object.entries(secrets).filter(([, secret]) => secret !== '' && output.includes(secret));
    expect(said.map(([name]) => name)).toEqual([]);

    const lines = output.split('\n').filter((line) => line !== '' && !line.startsWith('tercet '));
    expect(lines.length).toBeGreaterThan(2);
    const aboutOne = lines.filter((line) => line.includes('a write failed'));
    for (const line of aboutOne) expect(line).toMatch(/"gid":"cut-\d+"/);
    for (const line of lines) expect(line.startsWith('{')).toBe(format === 'json');
    if (format === 'json') {
      const shape = { level: expect.any(Number), time: expect.stringMatching(/Z$/), msg: expect.any(String) };
      for (const line of lines) expect(JSON.parse(line)).toMatchObject(shape);
    }
  });
});

test('TERCET_LOG_LEVEL=error leaves out what is no error', async () => {
  await serve({ TERCET_LOG_LEVEL: 'error' });
  road.cut();
  await end();
  expect(output).toMatch(/^tercet \S+ listening on \S+\n$/);
});
