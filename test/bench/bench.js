/**
 * npm run bench [-- --quick] [--json FILE] [--tcc] [--messages] [--locks] …
 *
 * TCC and sagas per second and latency against participants that do nothing, and in the same run what bounds them: the
 * same calls with no coordinator, the same writes with no calls, and a naive coordinator; what keys, traces, signatures and
 * a scraped /metrics cost; and what of its targets was reached. Then the other parts (PARTS below); `--tcc` (what is of this
 * file), `--messages` …: these alone. A part that breaks off says why, and the others follow. Only the ratios carry over to
 * another machine. What measures is that of `tercet bench` (src/bench).
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import {
  contenders,
  endOf,
  machineOf,
  measureAtRate,
  measureClosedLoop,
  repeatedText,
  warmUp,
} from '../../dist/src/bench/bench.js';
import { bareCall, branchNames } from '../../dist/src/bench/calls.js';
import { pastTheLimit } from '../../dist/src/bench/pressure.js';
import { Rig } from '../../dist/src/bench/rig.js';
import { Trouble } from '../../dist/src/bench/trouble.js';
import { SpareDatabase } from '../../dist/src/storage/spare-database.js';
import { atEnd, onStage, signal, taken } from './clean-up.js';
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

const told = (contender, { perSecond }) => process.stderr.write(`${contender}: ${perSecond.toFixed(0)}/s\n`);

/** The limit that PostgreSQL sets, and a coordinator that makes a statement and a commit of each step. */
async function others(rig, branches) {
  const beside = async () => {
    const { url } = await taken(
      () => SpareDatabase.beside(rig.database.url),
      (database) => database.drop(),
    );
    return url;
  };
  const writes = await Writes.on(await beside());
  atEnd(() => writes.close());
  const pool = new pg.Pool({ connectionString: await beside(), max: 20 });
  // What breaks is told by the statement that needs it.
  pool.on('error', () => undefined);
  atEnd(() => pool.end());
  await pool.query(NAIVE_SCHEMA);
  const call = bareCall(rig.post, rig.participant, 'tcc');
  return {
    writes: { once: () => writes.once(rig.gid(), branches) },
    naive: { once: () => naive(pool, call, rig.gid(), branchNames(branches)) },
  };
}

/** What was measured is kept, whatever breaks off. */
async function tcc() {
  const result = {};
  try {
    const measuring = measure(result);
    // It hears the signal itself; until it has, nothing that it stands on is taken down.
    atEnd(() => measuring.catch(() => undefined));
    await measuring;
  } catch (error) {
    result.brokenOff = error.message;
    throw error;
  } finally {
    if (file) writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  }
}

async function measure(result) {
  const place = { databaseUrl: null, dataDir: join(tmpdir(), 'tercet-bench'), isWithin: false, env: process.env };
  const rig = await taken(
    () => Rig.start(place, signal),
    (started) => started.stop(),
  );
  const surroundings = { cpu: () => rig.cpu(), cores: rig.cores, told };
  const shared = { rounds: ROUNDS, seconds: SECONDS };
  const machine = await machineOf(rig);
  process.stdout.write(
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB; Node ${machine.node}; PostgreSQL ${machine.postgresql.version}, ` +
      `fsync and synchronous_commit on; coordinator, participants, load and PostgreSQL share the cores; what is compared takes turns, ${ROUNDS} times ${SECONDS} s each\n\n`,
  );
  Object.assign(result, { at: new Date().toISOString(), machine, ...shared, tcc: {}, sagas: {} });
  const two = contenders(rig, { mode: 'tcc', branches: 2 });
  await warmUp(two, SECONDS, signal);
  for (const [count, initiators] of Object.entries(INITIATORS)) {
    const branches = Number(count);
    const more = branches === 2 ? await others(rig, branches) : {};
    const compared = { ...contenders(rig, { mode: 'tcc', branches }), ...more };
    result.tcc[branches] = await measureClosedLoop({ initiators, ...shared }, compared, surroundings, signal);
  }
  process.stdout.write(`${loopTable(result.tcc, SECONDS)}\n\n`);
  for (const branches of SAGAS) {
    // Long enough for many of them to begin and end in it.
    const seconds = SECONDS * Math.max(1, branches / 6);
    const asked = { initiators: [SAGA_INITIATORS], rounds: ROUNDS, seconds };
    const compared = contenders(rig, { mode: 'saga', branches });
    [result.sagas[branches]] = await measureClosedLoop(asked, compared, surroundings, signal);
  }
  process.stdout.write(`${sagaTable(result.sagas)}\n\n`);
  const half = Math.round(result.tcc[2].find(({ initiators }) => initiators === 64).tercet.perSecond / 2);
  result.fixedRate = await measureAtRate(shared, half, two, surroundings, signal);
  process.stdout.write(`${rateTable(result.fixedRate)}\n\n`);
  result.extras = await extras(rig, shared, surroundings);
  const rows = Object.entries(result.extras).filter(([what]) => what !== 'off');
  const off = result.extras.off.perSecond;
  process.stdout.write(
    `${markdown(
      ['two branches, 64 initiators', 'of the throughput without'],
      rows.map(([what, { perSecond }]) => [what, percent(perSecond / off)]),
    )}\n\n`,
  );
  result.pastTheLimit = await pastTheLimit(rig, { mode: 'tcc', branches: 2 }, 2 * SECONDS, signal);
  process.stdout.write(`${pressureLines(result.pastTheLimit)}\n\n`);
  result.end = await endOf(rig);
  result.targets = targets(result);
  process.stdout.write(`Targets\n\n${result.targets.map((line) => `- ${line}`).join('\n')}\n`);
  const repeated = repeatedText(result.end);
  if (repeated) process.stdout.write(`\n${repeated}\n`);
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

/** Why a part broke off: one line where it is of the surroundings, and where it is not whence it came too. */
function reason(error) {
  if (error instanceof Trouble) return error.next ? `${error.message}; ${error.next}` : error.message;
  return error.stack;
}

for (const part of parts) {
  try {
    await (PARTS[part] ? import(PARTS[part]) : onStage(tcc));
  } catch (error) {
    process.stderr.write(`${part} broke off: ${reason(error)}\n`);
    process.exitCode = 1;
  }
}
