/** What the parts of the benchmark stand on: PostgreSQL, coordinators, participants, and what the system says of each. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Agent, request } from 'undici';
import { closedLoop } from '../../dist/src/bench/load.js';
import { NODE_FLAGS } from '../../dist/src/bench/processes.js';
import { CLOCK } from '../../dist/src/bench/rig.js';
import { startEmbedded } from '../../dist/src/storage/embedded.js';
import { atEnd, endOf, taken } from './clean-up.js';
import { quiet } from './quiet.js';

const SCRIPT = fileURLToPath(new URL('../../bin/tercet.js', import.meta.url));
/** One tick of the system's accounting, in µs. */
const TICK_US = 10_000;
/** Of all parts: a connection of it ends with the coordinator that it leads to. */
const agent = new Agent({ connections: 1024, pipelining: 1 });

export { onStage } from './clean-up.js';

/** The value after `--name`, or `otherwise`. */
export function option(name, otherwise) {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? otherwise : Number(process.argv[index + 1]);
}

/** A server of its own with pg_stat_statements, fsync and synchronous_commit on. */
export async function startServer(settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-bench-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const own = { max_connections: '200', shared_preload_libraries: 'pg_stat_statements', ...settings };
  const server = await taken(
    () => startEmbedded(join(folder, 'postgres'), quiet, own),
    (started) => started.stop(),
  );
  const admin = await connect(server.url);
  await admin.query('CREATE EXTENSION pg_stat_statements');
  const { rows } = await admin.query('SHOW server_version');
  process.stdout.write(
    `${cpus().length} × ${cpus()[0].model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}; PostgreSQL ` +
      `${rows[0].server_version}, fsync and synchronous_commit on; all share the cores\n\n`,
  );
  const database = async (name) => {
    await admin.query(`CREATE DATABASE ${name}`);
    const url = new URL(server.url);
    url.pathname = `/${name}`;
    return url.href;
  };
  return { admin, database };
}

export async function connect(url) {
  const client = new pg.Client({ connectionString: url, application_name: 'bench' });
  // What breaks is told by the statement that needs it.
  client.on('error', () => undefined);
  await client.connect();
  atEnd(() => client.end());
  return client;
}

/** Resolves when it says where it listens. */
async function start(args, env) {
  // Some end with whoever holds their standard input.
  const settings = { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] };
  const child = await taken(() => spawn(process.execPath, args, settings), endOf);
  const lines = [];
  const url = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${args.at(-1)} ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      const found = /listening on (http:\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
  });
  return { url, pid: child.pid, lines, stop: () => endOf(child), kill: () => endOf(child, 'SIGKILL') };
}

/** A coordinator. @param flags of Node */
export function startNode(databaseUrl, env = {}, flags = []) {
  return start([...NODE_FLAGS, ...flags, SCRIPT, 'serve'], {
    DATABASE_URL: databaseUrl,
    TERCET_LISTEN: '127.0.0.1:0',
    TERCET_LOG_LEVEL: 'error',
    ...env,
  });
}

/** @param name a script, seen from here; default: one that does nothing */
export function startParticipant(name = '../../dist/src/bench/participant.js') {
  return start([fileURLToPath(new URL(name, import.meta.url))], {});
}

/** @returns the answer's text. @throws where its status is none of `expected` */
export async function ask(method, url, body, expected = [200, 201, 202]) {
  const more = body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } };
  const answer = await request(url, { method, dispatcher: agent, ...more });
  const text = await answer.body.text();
  if (!expected.includes(answer.statusCode)) throw new Error(`${url} answered ${answer.statusCode}: ${text}`);
  return text;
}

export function register(node, name, url, more = {}) {
  return ask('PUT', `${node.url}/v1/components/${name}`, JSON.stringify({ url, concurrency: 10_000, ...more }));
}

/** A begin of a transaction of two branches of one component. */
export function begin(node, component, more = {}) {
  const branches = ['a', 'b'].map((branchId) => ({ branchId, component, payload: { amount: 1 } }));
  return ask('POST', `${node.url}/v1/transactions`, JSON.stringify({ mode: 'tcc', branches, ...more }));
}

/** What ends in `forMs` after a warm-up, of so many initiators with one transaction after another: how long each took, in ms. */
export async function load(initiators, warmUpMs, forMs, once) {
  return (await closedLoop(initiators, { warmUpMs, forMs }, once, CLOCK)).latencies;
}

/** What the system has accounted a process: CPU in µs, and resident memory now and at most in MB. */
export function processOf(pid) {
  // The name, in brackets, may hold blanks.
  const [, fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const [user, kernel] = fields.split(' ').slice(11, 13).map(Number);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? NaN) / 1024;
  return { cpuUs: (user + kernel) * TICK_US, rssMb: mb('VmRSS'), peakMb: mb('VmHWM') };
}

/** Resolves to the value of `look` as soon as it is true. */
export async function until(look, everyMs, limitMs) {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`it did not come true within ${limitMs} ms: ${look}`);
    await sleep(everyMs);
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** A Markdown table, the first column to the left; printed. */
export function print(head, rows) {
  const lines = [head, head.map((_, column) => (column === 0 ? '---' : '---:')), ...rows];
  process.stdout.write(`${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n`);
}
