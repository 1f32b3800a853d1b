/** Strict releases under load: five coordinators, of which one is frozen, one killed, and one dies while it prepares. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Service as Coordinator } from '../../examples/scenarios/processes.js';
import { Activation } from '../../src/config-center/activation.js';
import type { NamespaceView, ReleaseView, RolloutView } from '../../src/protocol/config.js';
import { Database } from '../../src/storage/database.js';
import { PostgresLog } from '../../src/storage/transaction-log.js';
import { json, Service } from '../participants/service.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { Load } from './load.js';

const LEASE_MS = 2000;
const SWITCH_EVERY_MS = 100;
const NODES = ['n1', 'n2', 'n3', 'n4', 'n5'];
const SCRIPT = fileURLToPath(new URL('../../bin/tercet.js', import.meta.url));
const logger = { info() {}, warn() {}, error() {} };

let database: TestDatabase;
let admin: pg.Pool;
let participant: Service;
let nodes: Coordinator[];
/** Those that are asked. */
let asked: Coordinator[];
let load: Load;

beforeAll(async () => {
  database = await createDatabase();
  admin = new pg.Pool({ connectionString: database.url, max: 2 });
  participant = await Service.start(json({}));
  nodes = NODES.map((name) => {
    const env = {
      DATABASE_URL: database.url,
      TERCET_LISTEN: '127.0.0.1:0',
      TERCET_NODE: name,
      TERCET_LEASE_MS: String(LEASE_MS),
      TERCET_LOG_LEVEL: 'warn',
    };
    return new Coordinator({ name, script: SCRIPT, args: ['serve'], env });
  });
  await Promise.all(nodes.map((node) => node.start()));
  asked = nodes.slice(0, 3);
  await call('PUT', '/v1/components/shop', { url: participant.url });
  load = new Load(() => asked.map(({ url }) => url), 'shop', 20);
  await load.goesOn();
}, 120_000);

afterAll(async () => {
  await load.stop();
  for (const node of nodes) {
    await node.signal('SIGCONT');
    await node.signal('SIGKILL');
  }
  await participant.stop();
  await admin.end();
  await database.drop();
});

async function call<T>(method: string, path: string, body?: object, node = nodes[0]): Promise<T> {
  const response = await fetch(`${node?.url}${path}`, {
    method,
    ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
  });
  const answer = (await response.json()) as T;
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

const at = '/v1/config/tercet';
let written = 0;

/** Another value each time: what `release` says can be seen in what transactions go by. */
async function write(): Promise<void> {
  const { release, draft } = await call<NamespaceView>('GET', `${at}/namespaces/coordinator`);
  written += 1;
  await call('PUT', `${at}/namespaces/coordinator/draft`, {
    base: release,
    ...(draft ? { revision: draft.revision } : {}),
    content: { components: { shop: { timeoutMs: 5000 + written } } },
    reason: `the ${written}th`,
  });
}

function release(node = nodes[0]): Promise<ReleaseView> {
  return call<ReleaseView>('POST', `${at}/releases`, { mode: 'strict', reason: 'a switch' }, node);
}

async function switched(): Promise<RolloutView> {
  await write();
  const { rollout } = await release();
  if (!rollout) throw new Error('a strict release has a rollout');
  return rollout.state === 'preparing' ? ended(rollout.release) : rollout;
}

async function ended(number: number): Promise<RolloutView> {
  for (;;) {
    const rollout = await call<RolloutView>('GET', `${at}/rollout`);
    if (rollout.release !== number || rollout.state !== 'preparing') return rollout;
    await sleep(20);
  }
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endsAt = Date.now() + 60_000;
  while (!(await isSo())) {
    if (Date.now() > endsAt) throw new Error(`it was waited for in vain: ${what}`);
    await sleep(20);
  }
}

async function livingMembers(node: string): Promise<string[]> {
  const { rows } = await admin.query<{ id: string }>('SELECT id FROM tercet.member WHERE node = $1 AND NOT dead', [
    node,
  ]);
  return rows.map(({ id }) => id);
}

async function epoch(): Promise<number> {
  const { rows } = await admin.query<{ epoch: number }>('SELECT epoch FROM tercet.work_gate');
  return rows[0]?.epoch ?? -1;
}

/** The row of the gid was written by the begin alone, that of the rollout by the switch last. */
const LATE = `
  SELECT count(*)::int AS late, min(t.gid) AS example FROM tercet.gid g
    JOIN (SELECT gid, release FROM tercet.history UNION ALL SELECT gid, release FROM tercet.transaction) t USING (gid)
    JOIN tercet.config_rollout r ON r.state = 'done' AND coalesce(t.release, 0) < r.number
   WHERE pg_xact_commit_timestamp(g.xmin) >= pg_xact_commit_timestamp(r.xmin)`;

/** The longest time in which nobody began anything, since a moment. */
const LONGEST = `
  SELECT coalesce(max(gap), 0)::float8 AS ms FROM (
    SELECT extract(epoch FROM at - lag(at) OVER (ORDER BY at)) * 1000 AS gap
      FROM (SELECT pg_xact_commit_timestamp(xmin) AS at FROM tercet.gid) begun WHERE at > $1) gaps`;

test('a switch every 100 ms under load: each comes into force, and nothing is begun under what was before', async () => {
  for (let count = 1; count <= 20; count += 1) {
    expect(await switched()).toMatchObject({ state: 'done' });
    await sleep(SWITCH_EVERY_MS);
  }
  expect(await epoch()).toBe(20);
  await load.goesOn();
  expect((await admin.query(LATE)).rows).toEqual([{ late: 0, example: null }]);
}, 120_000);

test('one is frozen: it delays the switch by its lease at most and nobody who begins, and comes back under what is in force', async () => {
  const [frozen] = nodes.slice(4);
  const [before] = await livingMembers('n5');
  await frozen?.signal('SIGSTOP');
  const { rows } = await admin.query<{ now: Date }>('SELECT now()');
  expect(await switched()).toMatchObject({ state: 'done' });
  expect(await livingMembers('n5')).toEqual([]);
  // Without it the next one waits for nobody.
  expect(await switched()).toMatchObject({ state: 'done' });
  await load.goesOn();
  const longest = await admin.query<{ ms: number }>(LONGEST, [rows[0]?.now]);
  expect(longest.rows[0]?.ms).toBeLessThan(LEASE_MS);
  await frozen?.signal('SIGCONT');
  await until('it has joined again', async () => (await livingMembers('n5')).length === 1);
  expect(await livingMembers('n5')).not.toContain(before);
  const { release: inForce } = await call<NamespaceView>('GET', `${at}/namespaces/coordinator`);
  await until('it goes by what is in force', async () => {
    const begin = { mode: 'tcc', branches: [{ branchId: 'a', component: 'shop', payload: null }] };
    const begun = await call<{ release: number }>('POST', '/v1/transactions', begin, frozen).catch(() => null);
    return begun?.release === inForce;
  });
}, 120_000);

test('one rejects it: it comes into force nowhere, and all go on as before', async () => {
  const log = new PostgresLog({ url: database.url, leaseMs: 60_000 }, logger);
  const asking = new Database({ url: database.url, leaseMs: LEASE_MS }, logger);
  const member = await log.join('old version', 60_000);
  try {
    const before = await epoch();
    await write();
    const releasing = release();
    const rollouts = `SELECT id::int FROM tercet.config_rollout WHERE state = 'preparing'`;
    await until('it is prepared', async () => (await admin.query(rollouts)).rows.length === 1);
    const { rows } = await admin.query<{ id: number }>(rollouts);
    await new Activation(asking, LEASE_MS).acknowledge(rows[0]?.id ?? 0, member.id, 'it knows no such key');
    const { rollout } = await releasing;
    expect(await ended(rollout?.release ?? 0)).toMatchObject({
      state: 'aborted',
      why: `${member.id} rejects it: it knows no such key`,
    });
    expect(await epoch()).toBe(before);
    await load.goesOn();
  } finally {
    await log.leave(member);
    await log.close();
    await asking.close();
  }
}, 120_000);

test('the one that was asked dies while it is prepared: the others end it, and nobody who begins waits for that', async () => {
  const [controller, silent] = nodes.slice(3);
  await write();
  // With one that cannot answer it is prepared for as long as that one has its lease.
  await silent?.signal('SIGSTOP');
  const { rows } = await admin.query<{ now: Date }>('SELECT now()');
  const lost = release(controller).catch((error: unknown) => error);
  await until('it is prepared', async () => {
    return (await admin.query(`SELECT FROM tercet.config_rollout WHERE state = 'preparing'`)).rows.length === 1;
  });
  await controller?.signal('SIGKILL');
  expect(await lost).toMatchObject({ message: 'fetch failed' });
  await load.goesOn();
  const { release: number } = await call<RolloutView>('GET', `${at}/rollout`);
  expect(await ended(number)).toMatchObject({ state: 'done' });
  await load.goesOn();
  const longest = await admin.query<{ ms: number }>(LONGEST, [rows[0]?.now]);
  expect(longest.rows[0]?.ms).toBeLessThan(LEASE_MS);
  await silent?.signal('SIGCONT');
}, 120_000);

test('after all that: nothing was begun under an old epoch, nothing under a release that never came into force, and nothing is lost', async () => {
  await load.stop();
  expect((await admin.query(LATE)).rows).toEqual([{ late: 0, example: null }]);
  const orphans = await admin.query(
    `SELECT count(*)::int AS count FROM tercet.history h
       JOIN tercet.config_rollout r ON r.number = h.release AND r.state = 'aborted'`,
  );
  expect(orphans.rows).toEqual([{ count: 0 }]);
  const lost = await admin.query<{ lost: number }>(
    `SELECT count(*)::int AS lost FROM unnest($1::text[]) AS told(gid)
      WHERE NOT EXISTS (SELECT FROM tercet.gid g WHERE g.gid = told.gid)`,
    [load.acknowledged],
  );
  expect(lost.rows).toEqual([{ lost: 0 }]);
  expect(load.acknowledged.length).toBeGreaterThan(200);
});
