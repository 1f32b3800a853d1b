/**
 * npm run bench -- --recovery [--quick] [--left 50000] [--hung]
 *
 * How fast a node ends what a dead one left behind, against what it begins and ends itself in the same run; what that takes
 * of memory, and how it answers new begins meanwhile. Then ten services that never answer, beside one that does;
 * `--hung`: these alone.
 */
import { prepareDatabase } from '../../dist/src/storage/data-source.js';
import { PostgresLog } from '../../dist/src/storage/transaction-log.js';
import { atEnd } from './clean-up.js';
import { openTransaction } from './open-transaction.js';
import { postgresCpuUs } from './postgres-share.js';
import { ask, begin, connect, load, onStage, option, print, processOf, quantile, register, sleep } from './stage.js';
import { startNode, startParticipant, startServer, until } from './stage.js';
import { quiet } from './quiet.js';

const isQuick = process.argv.includes('--quick');
const LEFT = option('left', isQuick ? 2500 : 50_000);
const INITIATORS = 64;
const ROUND_MS = isQuick ? 2000 : 5000;
const ROUNDS = isQuick ? 2 : 4;
const LEASE_MS = 5000;
/** Of the dead node: it must be able to write all before it dies. */
const LEFT_LEASE_MS = 600_000;
const WRITERS = 500;
const LOOK_MS = 100;
const PROBE_MS = 50;
const HUNG = 10;
const PER_HUNG = isQuick ? 50 : 300;
const SETTLE_MS = isQuick ? 2000 : 8000;

/** A transaction of two branches that its node left `open`, `committing` or `aborting`. */
async function leave(log, member, gid, status) {
  const now = Date.now();
  const tx = openTransaction(gid, ['a', 'b'], { deadlineAt: now + 3_600_000 });
  const { held } = await log.insert(member, tx, 'hash');
  if (status === 'open') return;
  const [decision, reason] = status === 'committing' ? ['commit', null] : ['abort', { kind: 'requested' }];
  const step = tx.branches.map((branch) => ({ ...branch, state: 'done', attempts: 1, reply: '{"ok":true}' }));
  await log.save(held, { ...tx, status, decision, reason, decidedAt: now, branches: step }, []);
}

/** All of them in the log, of a member whose lease is over. */
async function leaveAll(url, client) {
  const log = new PostgresLog({ url, leaseMs: LEASE_MS }, quiet);
  const member = await log.join('dead', LEFT_LEASE_MS);
  const statuses = ['open', 'committing', 'aborting'];
  let count = 0;
  const writer = async () => {
    while (count < LEFT) {
      count += 1;
      await leave(log, member, `left-${String(count).padStart(7, '0')}`, statuses[count % 3]);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  await log.close();
  await client.query('UPDATE tercet.member SET until = now() WHERE id = $1', [member.id]);
}

/** Begins that come in at a fixed rate, whatever becomes of those before. */
function probe(node) {
  const latencies = [];
  let failed = 0;
  const pending = new Set();
  const timer = setInterval(() => {
    const from = performance.now();
    const one = begin(node, 'noop').then(
      () => latencies.push(performance.now() - from),
      () => (failed += 1),
    );
    pending.add(one);
    void one.then(() => pending.delete(one));
  }, PROBE_MS);
  atEnd(() => clearInterval(timer));
  return async () => {
    clearInterval(timer);
    await Promise.all(pending);
    return { latencies, failed };
  };
}

async function recovery(server) {
  const url = await server.database('recovery');
  await prepareDatabase(url, 'auto', quiet);
  const client = await connect(url);
  const participant = await startParticipant();
  const node = await startNode(url, { TERCET_LEASE_MS: String(LEASE_MS) });
  await register(node, 'noop', participant.url, { concurrency: 256 });
  const cpuUs = async () => processOf(node.pid).cpuUs + (await postgresCpuUs(client));
  const own = async () => {
    const before = await cpuUs();
    const done = (await load(INITIATORS, 0, ROUND_MS, () => begin(node, 'noop'))).length;
    return { perSecond: (done / ROUND_MS) * 1000, cpuUs: ((await cpuUs()) - before) / done };
  };
  await own();
  const normal = [await own()];
  const calm = probe(node);
  await sleep(ROUND_MS);
  const before = await calm();
  const memory = processOf(node.pid).rssMb;
  await leaveAll(url, client);
  const cpuBefore = await cpuUs();
  const from = performance.now();
  const probing = probe(node);
  const left = async () => {
    const { rows } = await client.query(
      `SELECT count(*)::int AS count FROM tercet.transaction WHERE gid LIKE 'left-%'`,
    );
    return rows[0].count;
  };
  let firstMs = null;
  for (let count = LEFT; count > 0; count = await left()) {
    if (count < LEFT) firstMs ??= performance.now() - from;
    await sleep(LOOK_MS);
  }
  const allMs = performance.now() - from;
  const recoveredUs = ((await cpuUs()) - cpuBefore) / LEFT;
  const meanwhile = await probing();
  const { peakMb } = processOf(node.pid);
  const ended = `SELECT count(*)::int AS count FROM tercet.history WHERE gid LIKE 'left-%'`;
  const { rows } = await client.query(ended);
  if (rows[0].count !== LEFT) throw new Error(`${rows[0].count} of ${LEFT} are in history`);
  // Once more, since the machine's speed drifts.
  normal.push(await own());
  await node.stop();
  const rate = (LEFT / (allMs - firstMs)) * 1000;
  const [perSecond, normalUs] = ['perSecond', 'cpuUs'].map((what) => (normal[0][what] + normal[1][what]) / 2);
  const p99 = ({ latencies }) => quantile(latencies, 0.99).toFixed(0);
  print(
    [`${LEFT} left by a dead node`, 'here', 'target'],
    [
      [
        'begun and ended a second by itself, before and after',
        normal.map((each) => each.perSecond.toFixed(0)).join(', '),
        '',
      ],
      ['from the end of the lease to the first end, s', (firstMs / 1000).toFixed(1), `${LEASE_MS / 1000}`],
      ['from the end of the lease to the last end, s', (allMs / 1000).toFixed(1), ''],
      ['ended a second', rate.toFixed(0), ''],
      ['of what it does by itself', `${((rate / perSecond) * 100).toFixed(0)} %`, '50 %'],
      ['coordinator and PostgreSQL µs each, by itself', normalUs.toFixed(0), ''],
      ['… of what was left, with the begins meanwhile', recoveredUs.toFixed(0), `${(2 * normalUs).toFixed(0)}`],
      ['resident memory before, MB', memory.toFixed(0), ''],
      ['at most, MB', peakMb.toFixed(0), ''],
      ['new begins, 20 a second, before: p99 ms', p99(before), ''],
      ['new begins meanwhile: p99 ms', p99(meanwhile), ''],
      ['… of them refused', `${meanwhile.failed} of ${meanwhile.failed + meanwhile.latencies.length}`, '0'],
    ],
  );
}

/** What a healthy component is served by a node, and what while ten others of its do not answer; in turns. */
async function hung(server) {
  const url = await server.database('hung');
  const client = await connect(url);
  const node = await startNode(url);
  const healthy = await startParticipant();
  await register(node, 'healthy', healthy.url);
  const names = Array.from({ length: HUNG }, (_, index) => `hung-${index}`);
  const round = async () => {
    const before = processOf(node.pid).cpuUs;
    const done = await load(INITIATORS, 0, ROUND_MS, () => begin(node, 'healthy'));
    return { perSecond: (done.length / ROUND_MS) * 1000, cpuUs: (processOf(node.pid).cpuUs - before) / done.length };
  };
  const found = { alone: [], beside: [] };
  await round();
  for (let count = 0; count < ROUNDS; count += 1) {
    found.alone.push(await round());
    const silent = await startParticipant('told.js');
    for (const name of names) await register(node, name, `${silent.url}/held`, { concurrency: 256 });
    const begun = names.flatMap((name) =>
      Array.from({ length: PER_HUNG }, () => begin(node, name, { wait: 'accepted', deadlineMs: 600_000 })),
    );
    await Promise.all(begun);
    await sleep(SETTLE_MS);
    found.beside.push(await round());
    await ask('POST', `${silent.url}/go`);
    await until(async () => (await client.query('SELECT FROM tercet.transaction')).rowCount === 0, 200, 120_000);
    await silent.stop();
  }
  const middle = (which, what) =>
    quantile(
      found[which].map((each) => each[what]),
      0.5,
    );
  const change = (what) => `${((middle('beside', what) / middle('alone', what) - 1) * 100).toFixed(0)} %`;
  const cells = (which) => ['perSecond', 'cpuUs'].map((what) => middle(which, what).toFixed(0));
  print(
    [`${HUNG} that do not answer, ${PER_HUNG} transactions each`, 'healthy TCC/s', 'coordinator µs each'],
    [
      ['without', ...cells('alone')],
      ['beside them', ...cells('beside')],
      ['change; target: at most 10 % less', change('perSecond'), change('cpuUs')],
    ],
  );
}

await onStage(async () => {
  const server = await startServer();
  if (!process.argv.includes('--hung')) await recovery(server);
  await hung(server);
});
