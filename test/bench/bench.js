/**
 * npm run bench [-- --quick] [--messages] [--locks] [--ids] [--config]
 *
 * TCC and sagas per second and latency against participants that do nothing, and in the same run what bounds them: the
 * same calls with no coordinator, the same writes with no calls, and a naive coordinator; and what keys, traces,
 * signatures and a scraped /metrics cost. Then messages (messages.js), locks (locks.js) and ids (ids.js); `--messages`,
 * `--locks`, `--ids`, `--config`: these alone. Only the ratios carry over to another machine.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Agent, request } from 'undici';
import { newKey } from '../../dist/src/http/keys.js';
import { prepareDatabase } from '../../dist/src/storage/data-source.js';
import { startEmbedded } from '../../dist/src/storage/embedded.js';
import { PostgresLog } from '../../dist/src/storage/transaction-log.js';
import { load } from './load.js';
import { naive, NAIVE_SCHEMA } from './naive.js';
import { quiet } from './quiet.js';

const isQuick = process.argv.includes('--quick');
/** What is compared takes turns, so that a machine whose speed drifts does so for all of it. */
const ROUNDS = isQuick ? 2 : 4;
const ROUND_MS = isQuick ? 750 : 1000;
const WARM_UP_MS = 400;
const CONCURRENCIES = isQuick ? [1, 64] : [1, 16, 64, 256];
const BRANCHES = isQuick ? [2] : [1, 2, 3, 5];
const SAGAS = [1, 3, 10, 30];
const SAGA_INITIATORS = 64;

const agent = new Agent({ connections: 256, pipelining: 1 });
const headers = { 'content-type': 'application/json' };

async function post(url, body, expected, more = {}) {
  const answer = await request(url, { method: 'POST', body, headers: { ...headers, ...more }, dispatcher: agent });
  const text = await answer.body.text();
  if (!expected.includes(answer.statusCode)) throw new Error(`${url} answered ${answer.statusCode}: ${text}`);
}

/** The coordinator runs as `npm start` runs it. */
const NODE_FLAGS = ['--max-semi-space-size=64'];

async function start(script, env) {
  const child = spawn(process.execPath, [...NODE_FLAGS, script, 'serve'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
    child.stdout.on('data', (chunk) => {
      const found = /listening on (http:\S+)/.exec(chunk.toString());
      if (found) resolve(found[1]);
    });
  });
  const stop = () =>
    new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGTERM');
    });
  return { url, stop };
}

const names = (count) => Array.from({ length: count }, (_, index) => `b${index}`);
const beginBody = (gid, count, mode = 'tcc') =>
  JSON.stringify({
    mode,
    gid,
    branches: names(count).map((branchId) => ({ branchId, component: 'noop', payload: { amount: 1 } })),
  });

/** One try or confirm as the coordinator sends it. */
function direct(participantUrl) {
  return (branchId, op, gid) => {
    const body = `{"gid":"${gid}","branchId":"${branchId}","op":"${op}","attempt":1,"mode":"tcc","component":"noop","beganAt":"2026-11-21T00:00:00.000Z","payload":{"amount":1},"reply":null}`;
    return post(`${participantUrl}/${op}`, body, [200]);
  };
}

/** begin, decision and end of a transaction, through the log alone. */
async function writes(log, member, gid, count) {
  const now = Date.now();
  const branches = names(count).map((branchId) => ({
    branchId,
    component: 'noop',
    payload: '{"amount":1}',
    state: 'started',
    attempts: 0,
    tries: 0,
    since: now,
    retryAt: null,
    reply: null,
    gaveUp: null,
    plan: null,
    span: null,
    topic: null,
  }));
  const tx = {
    gid,
    mode: 'tcc',
    drive: 'coordinator',
    businessKey: null,
    status: 'open',
    decision: null,
    reason: null,
    parked: null,
    branches,
    beganAt: now,
    decidedAt: null,
    endedAt: null,
    deadlineAt: now + 30_000,
    plan: null,
    message: null,
    trace: null,
  };
  const { held } = await log.insert(member, tx, 'hash');
  const calls = (op) =>
    branches.map(({ branchId }) => ({
      at: now,
      node: 'bench',
      kind: 'call',
      branchId,
      op,
      attempt: 1,
      outcome: 'done',
      durationMs: 1,
    }));
  const step = (state) => branches.map((branch) => ({ ...branch, state, attempts: 1, reply: '{"ok":true}' }));
  const decided = { ...tx, status: 'committing', decision: 'commit', decidedAt: now, branches: step('done') };
  const saved = await log.save(held, decided, calls('try'));
  await log.save(
    saved,
    { ...decided, status: 'committed', endedAt: now, branches: step('confirmed') },
    calls('confirm'),
  );
}

const cells = [];
async function measure(concurrency, branches, variants, roundMs = ROUND_MS) {
  const latencies = Object.fromEntries(Object.keys(variants).map((what) => [what, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [what, once] of Object.entries(variants)) {
      const gid = (id) => `${what}-${branches}-${concurrency}-${round}-${id}`;
      latencies[what].push(...(await load(concurrency, WARM_UP_MS, roundMs, (id) => once(gid(id)))));
    }
  }
  for (const [what, all] of Object.entries(latencies)) {
    all.sort((a, b) => a - b);
    const at = (share) => all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? NaN;
    const perSecond = (all.length / (ROUNDS * roundMs)) * 1000;
    cells.push({ what, concurrency, branches, perSecond, p50: at(0.5), p99: at(0.99) });
    process.stderr.write(`${what}, ${branches} branches, ${concurrency} initiators: ${perSecond.toFixed(0)}/s\n`);
  }
}

function report() {
  const find = (what, concurrency, branches) =>
    cells.find((cell) => cell.what === what && cell.concurrency === concurrency && cell.branches === branches);
  const lines = [
    '| branches | initiators | TCC/s | p50 ms | p99 ms | of the bare calls | of the bare writes | times naive |',
    '| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
  ];
  for (const branches of BRANCHES) {
    for (const concurrency of CONCURRENCIES) {
      const own = find('tercet', concurrency, branches);
      const share = (what) => {
        const other = find(what, concurrency, branches);
        return other ? own.perSecond / other.perSecond : NaN;
      };
      const percent = (value) => `${(value * 100).toFixed(0)} %`;
      lines.push(
        `| ${branches} | ${concurrency} | ${own.perSecond.toFixed(0)} | ${own.p50.toFixed(1)} | ${own.p99.toFixed(1)} | ` +
          `${percent(share('calls'))} | ${percent(share('writes'))} | ${share('naive').toFixed(1)} |`,
      );
    }
  }
  return lines.join('\n');
}

/** Sagas in order, against their actions called one after the other. */
async function measureSagas(coordinator, call) {
  const lines = [
    '| saga of | sagas/s | p50 ms | p99 ms | of the bare calls | branches/s | cost of a branch, 3 branches = 1 |',
    '| ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
  ];
  const measured = [];
  for (const branches of SAGAS) {
    const variants = {
      saga: (gid) => post(`${coordinator.url}/v1/transactions`, beginBody(gid, branches, 'saga'), [201]),
      'calls in order': async (gid) => {
        for (const branch of names(branches)) await call(branch, 'action', gid);
      },
    };
    // Long enough for many of them to begin and end in it.
    await measure(SAGA_INITIATORS, branches, variants, ROUND_MS * Math.max(1, branches / 6));
    measured.push(cells.slice(-2));
  }
  const perBranch = ([{ perSecond, branches }]) => 1 / (perSecond * branches);
  const three = perBranch(measured[SAGAS.indexOf(3)]);
  for (const [own, bare] of measured) {
    const { branches, perSecond, p50, p99 } = own;
    lines.push(
      `| ${branches} | ${perSecond.toFixed(0)} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ` +
        `${((perSecond / bare.perSecond) * 100).toFixed(0)} % | ${(perSecond * branches).toFixed(0)} | ` +
        `${(perBranch([own]) / three).toFixed(2)} |`,
    );
  }
  return lines.join('\n');
}

/** What a coordinator is asked for in production, against one that is asked for nothing. */
async function measureExtras(databaseOf, participant) {
  const { key, entry } = newKey('bench', 'admin');
  const bearer = { authorization: `Bearer ${key}` };
  const keys = { TERCET_KEYS: entry };
  const traces = {
    OTEL_EXPORTER_OTLP_ENDPOINT: participant.url,
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.01',
  };
  const secret = { TERCET_SIGNING_SECRET: 'x'.repeat(32) };
  const settings = {
    off: {},
    'keys, traces, metrics': { ...keys, ...traces },
    'and signed': { ...keys, ...traces, ...secret },
  };
  const variants = {};
  for (const [index, [what, env]] of Object.entries(settings).entries()) {
    const started = await start('bin/tercet.js', {
      DATABASE_URL: await databaseOf(`bench_extra_${index}`),
      TERCET_LISTEN: '127.0.0.1:0',
      ...env,
    });
    cleanUps.push(started.stop);
    await register(started.url, participant.url, bearer);
    if (what !== 'off') {
      const scrape = setInterval(
        () => void fetch(`${started.url}/metrics`, { headers: bearer }).then((r) => r.text()),
        1000,
      );
      cleanUps.push(() => clearInterval(scrape));
    }
    variants[what] = (gid) =>
      post(`${started.url}/v1/transactions`, beginBody(gid.replaceAll(/[ ,]/g, '_'), 2), [201], bearer);
  }
  await measure(64, 2, variants);
  const [off, ...others] = cells.slice(-Object.keys(variants).length);
  const lines = others.map(
    ({ what, perSecond }) => `| ${what} | ${((perSecond / off.perSecond) * 100).toFixed(0)} % |`,
  );
  return ['| two branches, 64 initiators | of the throughput without |', '| --- | ---: |', ...lines].join('\n');
}

async function register(url, participantUrl, more = {}) {
  const component = await request(`${url}/v1/components/noop`, {
    method: 'PUT',
    headers: { ...headers, ...more },
    body: JSON.stringify({ url: participantUrl, concurrency: 10_000 }),
  });
  if (component.statusCode !== 201) throw new Error(`the component was not registered: ${await component.body.text()}`);
  await component.body.dump();
}

const cleanUps = [() => agent.close()];

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-bench-'));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startEmbedded(join(folder, 'postgres'), quiet, { max_connections: '200' });
  cleanUps.push(() => server.stop());
  const admin = new pg.Client(server.url);
  await admin.connect();
  cleanUps.push(() => admin.end());
  const database = async (name) => {
    await admin.query(`CREATE DATABASE ${name}`);
    const url = new URL(server.url);
    url.pathname = `/${name}`;
    return url.href;
  };
  const participant = await start('test/bench/participant.js', {});
  cleanUps.push(participant.stop);
  const coordinator = await start('bin/tercet.js', {
    DATABASE_URL: await database('bench_log'),
    TERCET_LISTEN: '127.0.0.1:0',
  });
  cleanUps.push(coordinator.stop);
  await register(coordinator.url, participant.url);

  const bareUrl = await database('bench_bare');
  await prepareDatabase(bareUrl, 'auto', quiet);
  const log = new PostgresLog({ url: bareUrl, leaseMs: 5000 }, quiet);
  cleanUps.push(() => log.close());
  const member = await log.join('bench', 600_000);
  const pool = new pg.Pool({ connectionString: await database('bench_naive'), max: 20 });
  cleanUps.push(() => pool.end());
  await pool.query(NAIVE_SCHEMA);
  const call = direct(participant.url);

  const version = (await admin.query('SHOW server_version')).rows[0].server_version;
  process.stdout.write(
    `${cpus().length} × ${cpus()[0].model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}; PostgreSQL ${version}, ` +
      `fsync and synchronous_commit on; coordinator, participants, load and PostgreSQL share the cores; what is compared takes turns, ${ROUNDS} times ${ROUND_MS} ms each\n\n`,
  );
  for (const branches of BRANCHES) {
    for (const concurrency of CONCURRENCIES) {
      await measure(concurrency, branches, {
        tercet: (gid) => post(`${coordinator.url}/v1/transactions`, beginBody(gid, branches), [201]),
        calls: async (gid) => {
          await Promise.all(names(branches).map((branch) => call(branch, 'try', gid)));
          await Promise.all(names(branches).map((branch) => call(branch, 'confirm', gid)));
        },
        writes: (gid) => writes(log, member, gid, branches),
        naive: (gid) => naive(pool, call, gid, names(branches)),
      });
    }
  }
  process.stdout.write(`${report()}\n\n`);
  process.stdout.write(`${await measureSagas(coordinator, call)}\n\n`);
  process.stdout.write(`${await measureExtras(database, participant)}\n`);
}

/** What can be asked for alone. */
const OTHERS = {
  '--messages': './messages.js',
  '--locks': './locks.js',
  '--ids': './ids.js',
  '--config': './config.js',
  '--history': './history.js',
  '--recovery': './recovery.js',
  '--memory': './memory.js',
  '--idle': './idle.js',
  '--nodes': './nodes.js',
};
const asked = Object.keys(OTHERS).filter((option) => process.argv.includes(option));

try {
  if (asked.length === 0) await main();
} finally {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
}
for (const option of asked.length > 0 ? asked : Object.keys(OTHERS)) await import(OTHERS[option]);
