/**
 * npm run bench [-- --quick] [--json FILE] [--messages] [--locks] [--ids] [--config]
 *
 * TCC and sagas per second and latency against participants that do nothing, and in the same run what bounds them: the
 * same calls with no coordinator, the same writes with no calls, and a naive coordinator; what keys, traces, signatures and
 * a scraped /metrics cost; and what of its targets was reached. Then messages (messages.js), locks (locks.js) and ids
 * (ids.js); `--tcc` (what is of this file), `--messages`, `--locks`, `--ids`, `--config`: these alone. Only the ratios carry over to another machine.
 * What measures is that of `tercet bench` (src/bench).
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { contenders, endOf, machineOf, measureAtRate, measureClosedLoop, warmUp } from '../../dist/src/bench/bench.js';
import { bareCall, branchNames } from '../../dist/src/bench/calls.js';
import { pastTheLimit } from '../../dist/src/bench/pressure.js';
import { Rig } from '../../dist/src/bench/rig.js';
import { SpareDatabase } from '../../dist/src/storage/spare-database.js';
import { extras } from './extras.js';
import { naive, NAIVE_SCHEMA } from './naive.js';
import { targets } from './targets.js';
import { loopTable, markdown, ms, percent, pressureLines, rateTable, whole } from './words.js';
import { Writes } from './writes.js';

const isQuick = process.argv.includes('--quick');
const file = process.argv.includes('--json') ? process.argv[process.argv.indexOf('--json') + 1] : undefined;
const ROUNDS = isQuick ? 2 : 4;
const SECONDS = isQuick ? 0.75 : 1;
/** By number of branches; what is compared with more than the bare calls is at two. */
const INITIATORS = isQuick ? { 2: [1, 64] } : { 1: [1, 64], 2: [1, 16, 64, 256, 1024], 3: [16, 64, 1024], 5: [64] };
const SAGAS = isQuick ? [3] : [1, 3, 10, 30];
const SAGA_INITIATORS = 64;
const neverStopped = new AbortController().signal;
const cleanUps = [];

const told = (contender, { perSecond }) => process.stderr.write(`${contender}: ${perSecond.toFixed(0)}/s\n`);

/** The limit that PostgreSQL sets, and a coordinator that makes a statement and a commit of each step. */
async function others(rig, branches) {
  const beside = async () => {
    const database = await SpareDatabase.beside(rig.database.url);
    cleanUps.push(() => database.drop());
    return database.url;
  };
  const writes = await Writes.on(await beside());
  cleanUps.push(() => writes.close());
  const pool = new pg.Pool({ connectionString: await beside(), max: 20 });
  cleanUps.push(() => pool.end());
  await pool.query(NAIVE_SCHEMA);
  const call = bareCall(rig.post, rig.participant, 'tcc');
  return {
    writes: { once: () => writes.once(rig.gid(), branches) },
    naive: { once: () => naive(pool, call, rig.gid(), branchNames(branches)) },
  };
}

async function main() {
  const place = { databaseUrl: null, dataDir: join(tmpdir(), 'tercet-bench'), isWithin: false, env: process.env };
  const rig = await Rig.start(place, neverStopped);
  cleanUps.push(() => rig.stop());
  const surroundings = { cpu: () => rig.cpu(), cores: rig.cores, told };
  const shared = { rounds: ROUNDS, seconds: SECONDS };
  const machine = await machineOf(rig);
  process.stdout.write(
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB; Node ${machine.node}; PostgreSQL ${machine.postgresql.version}, ` +
      `fsync and synchronous_commit on; coordinator, participants, load and PostgreSQL share the cores; what is compared takes turns, ${ROUNDS} times ${SECONDS} s each\n\n`,
  );
  const result = { at: new Date().toISOString(), machine, ...shared, tcc: {}, sagas: {} };
  const two = contenders(rig, { mode: 'tcc', branches: 2 });
  await warmUp(two, SECONDS, neverStopped);
  for (const [count, initiators] of Object.entries(INITIATORS)) {
    const branches = Number(count);
    const more = branches === 2 ? await others(rig, branches) : {};
    const compared = { ...contenders(rig, { mode: 'tcc', branches }), ...more };
    result.tcc[branches] = await measureClosedLoop({ initiators, ...shared }, compared, surroundings, neverStopped);
  }
  process.stdout.write(`${loopTable(result.tcc)}\n\n`);
  for (const branches of SAGAS) {
    // Long enough for many of them to begin and end in it.
    const seconds = SECONDS * Math.max(1, branches / 6);
    const asked = { initiators: [SAGA_INITIATORS], rounds: ROUNDS, seconds };
    const compared = contenders(rig, { mode: 'saga', branches });
    [result.sagas[branches]] = await measureClosedLoop(asked, compared, surroundings, neverStopped);
  }
  process.stdout.write(`${sagaTable(result.sagas)}\n\n`);
  const half = Math.round(result.tcc[2].find(({ initiators }) => initiators === 64).tercet.perSecond / 2);
  result.fixedRate = await measureAtRate(shared, half, two, surroundings, neverStopped);
  process.stdout.write(`${rateTable(result.fixedRate)}\n\n`);
  result.extras = await extras(rig, shared, surroundings, cleanUps);
  const rows = Object.entries(result.extras).filter(([what]) => what !== 'off');
  const off = result.extras.off.perSecond;
  process.stdout.write(
    `${markdown(
      ['two branches, 64 initiators', 'of the throughput without'],
      rows.map(([what, { perSecond }]) => [what, percent(perSecond / off)]),
    )}\n\n`,
  );
  result.pastTheLimit = await pastTheLimit(rig, { mode: 'tcc', branches: 2 }, 2 * SECONDS, neverStopped);
  process.stdout.write(`${pressureLines(result.pastTheLimit)}\n\n`);
  result.end = await endOf(rig);
  result.targets = targets(result);
  process.stdout.write(`Targets\n\n${result.targets.map((line) => `- ${line}`).join('\n')}\n`);
  if (file) writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  if (result.end.unfinished > 0 || result.end.committed !== result.end.accepted) process.exitCode = 1;
}

function sagaTable(sagas) {
  const perBranch = ([branches, { tercet }]) => 1 / (tercet.perSecond * branches);
  const three = perBranch([3, sagas[3]]);
  const rows = Object.entries(sagas).map(([branches, { tercet, ofBare }]) => [
    branches,
    whole(tercet.perSecond),
    ms(tercet.p50),
    ms(tercet.p99),
    percent(ofBare),
    whole(tercet.perSecond * branches),
    (perBranch([branches, { tercet }]) / three).toFixed(2),
  ]);
  const head = ['saga of', 'sagas/s', 'p50 ms', 'p99 ms', 'of the bare calls', 'branches/s'];
  return markdown([...head, 'cost of a branch, 3 branches = 1'], rows);
}

/** What can be asked for alone; what is of this file is null. */
const PARTS = {
  '--tcc': null,
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
const asked = Object.keys(PARTS).filter((option) => process.argv.includes(option));
const parts = asked.length > 0 ? asked : Object.keys(PARTS);

try {
  if (parts.includes('--tcc')) await main();
} finally {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
}
for (const part of parts) if (PARTS[part]) await import(PARTS[part]);
