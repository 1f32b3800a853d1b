/**
 * npm run bench -- --memory [--quick] [--open 10000]
 *
 * The resident memory of a coordinator with 10,000 transactions open at a time, which then all go on and end, and what it
 * holds after garbage collection over a long run at constant load.
 */
import { atEnd } from './clean-up.js';
import { ask, begin, connect, load, onStage, option, print, processOf, register, sleep } from './stage.js';
import { startNode, startParticipant, startServer, until } from './stage.js';

const isQuick = process.argv.includes('--quick');
const OPEN = option('open', isQuick ? 1000 : 10_000);
const TARGET_MB = 300;
/** Begins at a time that build them up. */
const BUILDERS = 64;
const LONG_MS = isQuick ? 20_000 : 240_000;
const SAMPLE_MS = isQuick ? 2000 : 10_000;
const INITIATORS = 32;
const DEADLINE_MS = 600_000;
const mb = (value) => value.toFixed(0);

/** How many are unfinished. */
async function unfinished(client) {
  const { rows } = await client.query('SELECT count(*)::int AS count FROM tercet.transaction');
  return rows[0].count;
}

/** @param concurrency of the component: calls that wait for their answer; all others stand in line */
async function held(server, name, concurrency) {
  const url = await server.database(name);
  const client = await connect(url);
  const participant = await startParticipant('told.js');
  const node = await startNode(url);
  await register(node, 'held', `${participant.url}/held`, { concurrency, timeoutMs: DEADLINE_MS });
  const before = processOf(node.pid).rssMb;
  let left = OPEN;
  const build = async () => {
    while (left > 0) {
      left -= 1;
      await begin(node, 'held', { wait: 'accepted', deadlineMs: DEADLINE_MS });
    }
  };
  await Promise.all(Array.from({ length: BUILDERS }, build));
  await sleep(3000);
  const { rssMb, peakMb } = processOf(node.pid);
  const open = await unfinished(client);
  const from = performance.now();
  await ask('POST', `${participant.url}/go`);
  await until(async () => (await unfinished(client)) === 0, 200, DEADLINE_MS);
  const endedMs = performance.now() - from;
  const after = processOf(node.pid);
  await node.stop();
  const perSecond = ((OPEN / endedMs) * 1000).toFixed(0);
  return [concurrency, open, ...[before, rssMb, peakMb, after.rssMb, after.peakMb].map(mb), perSecond];
}

/** Resident memory, and what the heap holds after a collection, in MB, while the load stays the same. */
async function longRun(server) {
  const url = await server.database('long');
  const participant = await startParticipant();
  const node = await startNode(url, {}, ['--expose-gc', '--import', new URL('heap-told.js', import.meta.url).href]);
  await register(node, 'noop', participant.url);
  const samples = [];
  const from = performance.now();
  const sampler = setInterval(() => {
    samples.push({ seconds: (performance.now() - from) / 1000, rssMb: processOf(node.pid).rssMb });
    process.kill(node.pid, 'SIGUSR2');
  }, SAMPLE_MS);
  atEnd(() => clearInterval(sampler));
  const latencies = await load(INITIATORS, 0, LONG_MS, () => begin(node, 'noop'));
  clearInterval(sampler);
  await sleep(500);
  // The first half is that of caches, compiled code and tables that find their size.
  const half = node.lines.map((line) => Number(/heap (\d+)/.exec(line)?.[1])).filter(Number.isFinite);
  const heap = half.map((bytes) => bytes / 2 ** 20);
  const late = (values) => values.slice(values.length >> 1);
  const spread = (values) => {
    const [first, last] = [late(values).slice(0, 3), late(values).slice(-3)].map(
      (some) => some.reduce((sum, value) => sum + value, 0) / some.length,
    );
    return [mb(values[0]), first.toFixed(1), last.toFixed(1), `${(((last - first) / first) * 100).toFixed(1)} %`];
  };
  print(
    [
      `${LONG_MS / 1000} s, ${latencies.length} transactions`,
      'first MB',
      'half way',
      'at the end',
      'growth of the second half',
    ],
    [
      ['heap after garbage collection', ...spread(heap)],
      ['resident', ...spread(samples.map(({ rssMb }) => rssMb))],
    ],
  );
}

await onStage(async () => {
  const server = await startServer();
  const rows = [];
  // The default of a component, and more than anybody should have.
  for (const concurrency of [256, 4096]) rows.push(await held(server, `held_${concurrency}`, concurrency));
  print(['calls at a time', 'open', 'MB idle', 'MB open', 'at most', 'MB ended', 'at most', 'ended a second'], rows);
  process.stdout.write(`Target: ${OPEN} open under ${TARGET_MB} MB.\n\n`);
  await longRun(server);
});
