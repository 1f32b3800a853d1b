/**
 * npm run bench -- --config [--quick], the part of the coordinators: what the work gate costs a begin, and how long a strict
 * release takes from the order until it is in force on five processes under load.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { prepareDatabase } from '../../dist/src/storage/data-source.js';
import { PostgresLog } from '../../dist/src/storage/transaction-log.js';
import { atEnd, endOf, taken } from './clean-up.js';
import { openTransaction } from './open-transaction.js';
import { quiet } from './quiet.js';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 3 : 7;
const ROUND_MS = isQuick ? 700 : 1500;
const NODES = 5;
const SWITCHES = isQuick ? 15 : 100;
const SWITCH_EVERY_MS = 100;
const INITIATORS = 8;
const SCRIPT = fileURLToPath(new URL('../../bin/tercet.js', import.meta.url));

/** What begins pay for, taken out: the same flush, and nobody could switch strictly. */
const WITHOUT = `CREATE OR REPLACE FUNCTION tercet.enter_work() RETURNS int LANGUAGE sql AS 'SELECT 0'`;

const at = (values, share) => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
};

async function begins(url, concurrency, ms) {
  const log = new PostgresLog({ url, leaseMs: 60_000 }, quiet);
  const member = await log.join('bench', 600_000);
  let made = 0;
  const until = performance.now() + ms;
  const one = async (index) => {
    for (let count = 0; performance.now() < until; count += 1) {
      await log.insert(member, transaction(`${member.id}/${index}/${count}`), 'h', [], 0);
      made += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, index) => one(index)));
  await log.close();
  return (made * 1000) / ms;
}

const transaction = (gid) => openTransaction(gid, ['a', 'b'], { drive: 'initiator' });

/** Begins a second with the gate and without, in turns: the ratio is what carries over. */
export async function gateTable(url) {
  await prepareDatabase(url, 'auto', quiet);
  const admin = new pg.Client(url);
  await admin.connect();
  const { rows } = await admin.query(`SELECT pg_get_functiondef('tercet.enter_work'::regproc) AS definition`);
  const lines = [];
  for (const concurrency of [1, 64]) {
    const found = { with: [], without: [] };
    await begins(url, concurrency, ROUND_MS);
    for (let round = 0; round < ROUNDS; round += 1) {
      await admin.query(rows[0].definition);
      found.with.push(await begins(url, concurrency, ROUND_MS));
      await admin.query(WITHOUT);
      found.without.push(await begins(url, concurrency, ROUND_MS));
    }
    await admin.query(rows[0].definition);
    const [gated, bare] = [at(found.with, 0.5), at(found.without, 0.5)];
    lines.push(`| ${concurrency} | ${gated.toFixed(0)} | ${bare.toFixed(0)} | ${(gated / bare).toFixed(2)} |`);
  }
  await admin.end();
  return [
    '| begins at a time | a second, with the gate | without | ratio |',
    '| ---: | ---: | ---: | ---: |',
    ...lines,
  ];
}

async function startNode(name, url) {
  const env = {
    ...process.env,
    DATABASE_URL: url,
    TERCET_LISTEN: '127.0.0.1:0',
    TERCET_NODE: name,
    TERCET_LOG_LEVEL: 'error',
  };
  const settings = { env, stdio: ['ignore', 'pipe', 'inherit'] };
  const child = await taken(() => spawn(process.execPath, [SCRIPT, 'serve'], settings), endOf);
  const at = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}`)));
    child.stdout.on('data', (chunk) => {
      const found = /listening on (http:\S+)/.exec(chunk.toString());
      if (found) resolve(found[1]);
    });
  });
  return { url: at, stop: () => endOf(child) };
}

async function call(url, method, path, body) {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url + path, { method, ...(body ? { headers, body: JSON.stringify(body) } : {}) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(said)}`);
  return said;
}

/** From the order to its answer, which says that it is in force; and the longest time in which nobody began anything. */
export async function switchTable(url) {
  await prepareDatabase(url, 'auto', quiet);
  const service = createServer((_request, response) => response.end('{}'));
  await new Promise((resolve) => service.listen(0, '127.0.0.1', resolve));
  atEnd(() => service.close());
  const nodes = [];
  for (let index = 1; index <= NODES; index += 1) nodes.push(await startNode(`n${index}`, url));
  const [first] = nodes;
  await call(first.url, 'PUT', '/v1/components/noop', { url: `http://127.0.0.1:${service.address().port}` });
  let isOver = false;
  const spent = [];
  const initiator = async (index) => {
    for (let count = 0; !isOver; count += 1) {
      const branches = [{ branchId: 'a', component: 'noop', payload: null }];
      const from = performance.now();
      await call(nodes[(index + count) % NODES].url, 'POST', '/v1/transactions', { mode: 'tcc', branches });
      spent.push(performance.now() - from);
    }
  };
  const load = Promise.all(Array.from({ length: INITIATORS }, (_, index) => initiator(index)));
  // Waited for at the end, and only then.
  load.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  spent.length = 0;
  const quietly = { from: performance.now() };
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const calm = { begun: (spent.length * 1000) / (performance.now() - quietly.from), p99: at(spent, 0.99) };
  spent.length = 0;
  const from = performance.now();
  const took = [];
  for (let count = 1; count <= SWITCHES; count += 1) {
    const space = await call(first.url, 'GET', '/v1/config/tercet/namespaces/coordinator');
    const content = { components: { noop: { timeoutMs: 5000 + count } } };
    await call(first.url, 'PUT', '/v1/config/tercet/namespaces/coordinator/draft', {
      base: space.release,
      content,
      reason: 'bench',
    });
    const ordered = performance.now();
    const { rollout } = await call(first.url, 'POST', '/v1/config/tercet/releases', {
      mode: 'strict',
      reason: 'bench',
    });
    if (rollout.state !== 'done') throw new Error(`switch ${count} is ${rollout.state}: ${rollout.why}`);
    took.push(performance.now() - ordered);
    await new Promise((resolve) => setTimeout(resolve, SWITCH_EVERY_MS));
  }
  const busy = { begun: (spent.length * 1000) / (performance.now() - from), p99: at(spent, 0.99) };
  isOver = true;
  await load;
  await Promise.all(nodes.map((node) => node.stop()));
  service.close();
  const admin = new pg.Client(url);
  await admin.connect();
  const { rows } = await admin.query('SELECT count(*)::int AS begun FROM tercet.gid');
  await admin.end();
  return [
    '| strict release, five processes | p50 ms | p99 ms | most ms |',
    '| --- | ---: | ---: | ---: |',
    `| from the order until it is in force, ${SWITCHES} switches | ${at(took, 0.5).toFixed(0)} | ${at(took, 0.99).toFixed(0)} | ${Math.max(...took).toFixed(0)} |`,
    '',
    '| load meanwhile | begun and ended a second | p99 ms |',
    '| --- | ---: | ---: |',
    `| no switch | ${calm.begun.toFixed(0)} | ${calm.p99.toFixed(0)} |`,
    `| a switch every ${SWITCH_EVERY_MS} ms | ${busy.begun.toFixed(0)} | ${busy.p99.toFixed(0)} |`,
    '',
    `${rows[0].begun} transactions in all.`,
  ];
}
