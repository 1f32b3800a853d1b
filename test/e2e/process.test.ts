/** The coordinator as a process: what it prints, how it ends, what stops its start. docs/wire.md, section 1. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';
import pg from 'pg';
import { Service as Process } from '../../examples/scenarios/processes.js';
import type { Problem, TransactionView } from '../../src/protocol/words.js';
import { KNOWN } from '../../src/settings.js';
import { begin } from '../http/node.js';
import { json, Service } from '../participants/service.js';
import { Authority } from '../support/certificate.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';

/** A process and PostgreSQL take their time to start on a machine that does other things too. */
jest.setTimeout(120_000);
const script = fileURLToPath(new URL('../../bin/tercet.js', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it to its end. @param onOutput called with the process when it prints to standard output */
function run(args: string[], env: NodeJS.ProcessEnv = {}, onOutput?: (kill: () => void) => void): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...args], { env: { PATH: process.env['PATH'], ...env } }, done);
    child.stdout?.once('data', () => onOutput?.(() => child.kill('SIGTERM')));
    function done(_error: unknown, stdout: string, stderr: string): void {
      resolve({ code: child.exitCode, stdout, stderr });
    }
  });
}

/** One line, for a person, and nothing on standard output. */
function refused({ code, stdout, stderr }: Ended, expected: number): string {
  expect({ code, stdout, stderr }).toMatchObject({ code: expected, stdout: '' });
  const told = stderr.split('\n').filter((line) => line.startsWith('tercet: '));
  expect(told).toHaveLength(1);
  expect(stderr).not.toMatch(/^ +at /m);
  return told[0] ?? '';
}

describe('the command line', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };

  test('--help names every setting of the process and ends with 0', async () => {
    const { code, stdout, stderr } = await run(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    for (const name of ['DATABASE_URL', ...KNOWN]) expect(stdout).toContain(name);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('--version prints the version', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  test.each([[[]], [['start']], [['serve', 'now']], [['--port=1']]])('%j is wrong use: 2', async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(args[0] === 'serve' ? /^usage: tercet serve\n[^]*'now'/ : /^usage: tercet COMMAND/);
  });

  test.each<[string, NodeJS.ProcessEnv]>([
    ['TERCET_LEASE_MS', { TERCET_LEASE_MS: 'soon' }],
    ['TERCET_LEASE', { TERCET_LEASE: '5000' }],
    ['TERCET_LISTEN', { TERCET_LISTEN: '0.0.0.0:8372' }],
    ['TERCET_TLS_KEY', { TERCET_TLS_CERT: '/etc/tercet/cert.pem' }],
    ['DATABASE_URL', { DATABASE_URL: 'mysql://u:p@127.0.0.1/x' }],
  ])('a wrong %s stops the start, is named, and ends with 2', async (name, env) => {
    expect(refused(await run(['serve'], env), 2)).toMatch(new RegExp(`^tercet: ${name} `));
  });

  test('migrate needs a DATABASE_URL: 2', async () => {
    expect(refused(await run(['migrate']), 2)).toContain('DATABASE_URL');
  });
});

describe('a database that will not do: 1, and why', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(() => database.drop());

  const serve = (url: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
    run(['serve'], { DATABASE_URL: url, TERCET_LISTEN: '127.0.0.1:0', ...env });
  const onDatabase = async <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    return work(client).finally(() => client.end());
  };

  test('the password is wrong, and is not printed', async () => {
    const url = new URL(database.url);
    url.password = 'not-the-password';
    const ended = await serve(url.href);
    expect(refused(ended, 1)).toMatch(/^tercet: TERCET_NOT_READY: the database refuses .*DATABASE_URL/);
    expect(ended.stderr).not.toContain('not-the-password');
  });

  test('there is no database of that name', async () => {
    expect(refused(await serve(`${database.url}_not`), 1)).toMatch(/the database refuses .*DATABASE_URL/);
  });

  test('nobody listens there', async () => {
    expect(refused(await serve('postgres://u:p@127.0.0.1:1/x'), 1)).toMatch(/ECONNREFUSED.*DATABASE_URL/);
  });

  test('it is too old', async () => {
    await onDatabase((client) =>
      client.query(`
        CREATE SCHEMA old;
        CREATE FUNCTION old.current_setting(name text) RETURNS text LANGUAGE sql AS
          $$ SELECT CASE name WHEN 'server_version_num' THEN '140012' ELSE '14.12' END $$;
        DO $$ BEGIN
          EXECUTE format('ALTER DATABASE %I SET search_path = old, pg_catalog', current_database());
        END $$`),
    );
    expect(refused(await serve(database.url), 1)).toMatch(/runs PostgreSQL 14\.12, and Tercet needs 15 or newer/);
  });

  test('it is empty, and TERCET_MIGRATE is off; after `tercet migrate` it will do', async () => {
    expect(refused(await serve(database.url, { TERCET_MIGRATE: 'off' }), 1)).toMatch(/lacks .*`tercet migrate`/);
    const { rows } = await onDatabase((client) => client.query(`SELECT FROM pg_namespace WHERE nspname = 'tercet'`));
    expect(rows).toEqual([]);
    for (const _time of ['first', 'again']) {
      const migrated = await run(['migrate'], { DATABASE_URL: database.url, TERCET_MIGRATE: 'off' });
      expect(migrated).toMatchObject({ code: 0, stdout: expect.stringMatching(/the database is up to date\n$/) });
    }
    const env = { DATABASE_URL: database.url, TERCET_LISTEN: '127.0.0.1:0', TERCET_MIGRATE: 'off' };
    expect((await run(['serve'], env, (kill) => kill())).code).toBe(0);
  });

  test('the port is taken', async () => {
    const other = await Service.start();
    const told = refused(await serve(database.url, { TERCET_LISTEN: `127.0.0.1:${other.port}` }), 1);
    await other.stop();
    expect(told).toMatch(new RegExp(`^tercet: TERCET_LISTEN: cannot listen on 127\\.0\\.0\\.1:${other.port}: another`));
  });
});

describe('a coordinator that runs', () => {
  let database: TestDatabase;
  let participant: Service;
  let running: Process[];

  beforeEach(async () => {
    database = await createDatabase();
    participant = await Service.start();
    running = [];
  });

  afterEach(async () => {
    for (const node of running) await node.signal('SIGKILL');
    await participant.stop();
    await database.drop();
  });

  const env = (): Record<string, string> => ({ DATABASE_URL: database.url, TERCET_LISTEN: '127.0.0.1:0' });

  async function start(over: Record<string, string> = {}): Promise<Process> {
    const node = new Process({ name: 'tercet', script, args: ['serve'], env: { ...env(), ...over } });
    running.push(node);
    await node.start();
    return node;
  }

  async function ask<T = TransactionView>(
    node: Process,
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; body: T }> {
    const sent = body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {};
    const response = await fetch(node.url + path, { method, ...sent });
    return { status: response.status, body: (await response.json()) as T };
  }

  async function untilDraining(node: Process): Promise<void> {
    while ((await fetch(`${node.url}/health/ready`)).status !== 503) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  const register = (node: Process, retry: object = {}) =>
    ask<unknown>(node, 'PUT', '/v1/components/account', { url: participant.url, retry, timeoutMs: 60_000 });

  test('says where it listens in one line on standard output, and logs JSON to standard error', async () => {
    const { code, stdout, stderr } = await run(['serve'], env(), (kill) => kill());
    expect(code).toBe(0);
    expect(stdout).toMatch(/^tercet \S+ listening on http:\/\/127\.0\.0\.1:\d+\n$/);
    const lines = stderr.trim().split('\n');
    expect(lines.map((line) => typeof (JSON.parse(line) as { time: string }).time)).toEqual(lines.map(() => 'string'));
  });

  test('with a certificate it says that it listens by HTTPS', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tercet-process-'));
    const { cert, key } = new Authority('ours').issue();
    const files = { TERCET_TLS_CERT: join(folder, 'cert.pem'), TERCET_TLS_KEY: join(folder, 'key.pem') };
    writeFileSync(files.TERCET_TLS_CERT, cert);
    writeFileSync(files.TERCET_TLS_KEY, key);
    const { code, stdout } = await run(['serve'], { ...env(), ...files }, (kill) => kill());
    rmSync(folder, { recursive: true });
    expect(code).toBe(0);
    expect(stdout).toMatch(/ listening on https:\/\/127\.0\.0\.1:\d+\n$/);
  });

  test('listens on the IPv6 loopback too, and names it as a URL does', async () => {
    const node = await start({ TERCET_LISTEN: '[::1]:0' });
    expect(node.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${node.url}/health/ready`)).status).toBe(200);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s while a transaction runs: it finishes, who waits is told, and the process ends with 0',
    async (signal) => {
      const node = await start();
      await register(node);
      let release = (): void => {};
      participant.answer = (response, asked) => {
        if (asked.call.op === 'confirm') release = () => json({})(response, asked);
        else json({})(response, asked);
      };
      const answer = ask(node, 'POST', '/v1/transactions', begin({ gid: 'running', wait: 'settled' }));
      await participant.wasAsked(2);
      const ended = node.signal(signal);
      await untilDraining(node);
      const refusal = await ask<Problem>(node, 'POST', '/v1/transactions', begin());
      expect([refusal.status, refusal.body.code]).toEqual([503, 'TERCET_NOT_READY']);
      release();
      expect((await answer).body.status).toBe('committed');
      expect(await ended).toBe(0);
    },
  );

  test('a signal while it waits for another node to migrate: it does not come up, and ends with 0', async () => {
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    await admin.query('SELECT pg_advisory_lock(8372_0001)');
    let kill = (): void => {};
    const ended = new Promise<Ended>((resolve) => {
      const over = (_error: unknown, stdout: string, stderr: string): void =>
        resolve({ code: child.exitCode, stdout, stderr });
      const child = execFile(process.execPath, [script, 'serve'], { env: { ...env() } }, over);
      kill = () => child.kill('SIGTERM');
      child.stderr?.on('data', (text: string) => {
        if (text.includes('draining')) void admin.end();
      });
    });
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`;
    while ((await admin.query(waiting)).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    kill();
    expect(await ended).toMatchObject({ code: 0, stdout: '' });
  });

  test('hands what it cannot finish to another node at once, without waiting for its lease', async () => {
    const long = { TERCET_LEASE_MS: '600000' };
    const first = await start({ ...long, TERCET_NODE: 'first' });
    await register(first, { baseMs: 2000, jitter: 0 });
    participant.answer = (response, { call }) => void response.writeHead(call.op === 'confirm' ? 500 : 200).end();
    await ask(first, 'POST', '/v1/transactions', begin({ gid: 'handed', wait: 'decided' }));
    const failed = async (): Promise<boolean> => {
      const { events } = (await ask<{ events: { op?: string }[] }>(first, 'GET', '/v1/transactions/handed/timeline'))
        .body;
      return events.some(({ op }) => op === 'confirm');
    };
    while (!(await failed())) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await first.signal('SIGTERM')).toBe(0);
    participant.answer = json({});
    const second = await start({ ...long, TERCET_NODE: 'second' });
    const { body } = await ask(second, 'GET', '/v1/transactions/handed?wait=settled&waitMs=30000');
    expect(body.status).toBe('committed');
  });

  test('waits for a call that is not answered for ten seconds, tells who waits what is known, and ends with 0', async () => {
    const first = await start({ TERCET_LEASE_MS: '600000' });
    await register(first);
    participant.answer = (response, asked) => {
      if (asked.call.op !== 'confirm') json({})(response, asked);
    };
    const answer = ask(first, 'POST', '/v1/transactions', begin({ gid: 'slow', wait: 'settled', waitMs: 60_000 }));
    await participant.wasAsked(2);
    const ended = first.signal('SIGTERM');
    const { status, body } = await answer;
    expect([status, body.decision, body.endedAt]).toEqual([202, 'commit', null]);
    expect(await ended).toBe(0);

    participant.answer = json({});
    const second = await start({ TERCET_LEASE_MS: '600000' });
    const { body: settled } = await ask(second, 'GET', '/v1/transactions/slow?wait=settled');
    expect(settled.status).toBe('committed');
  });

  test('a second signal does not wait: 1', async () => {
    const node = await start();
    await register(node);
    participant.answer = (response, asked) => {
      if (asked.call.op !== 'confirm') json({})(response, asked);
    };
    const cutOff = ask(node, 'POST', '/v1/transactions', begin({ wait: 'settled' })).catch(() => 'cut off');
    await participant.wasAsked(2);
    const ended = node.signal('SIGTERM');
    await untilDraining(node);
    expect(await Promise.race([ended, node.signal('SIGTERM')])).toBe(1);
    expect(await cutOff).toBe('cut off');
  });

  test('without a DATABASE_URL it brings its own PostgreSQL, and keeps what it knows in TERCET_DATA_DIR', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tercet-process-'));
    const own = { DATABASE_URL: '', TERCET_DATA_DIR: join(folder, 'data') };
    try {
      const first = await start(own);
      await ask(first, 'POST', '/v1/transactions', { mode: 'tcc', gid: 'kept', drive: 'initiator' });
      expect(await first.signal('SIGTERM')).toBe(0);
      const second = await start(own);
      expect((await ask(second, 'GET', '/v1/transactions/kept')).body).toMatchObject({ gid: 'kept' });
      expect(await second.signal('SIGTERM')).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
