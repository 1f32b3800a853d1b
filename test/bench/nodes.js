/**
 * npm run bench -- --nodes [--quick]
 *
 * One coordinator and two on the same database under the same load: what comes out, and what of it each of them and the
 * database use. On two cores that carry the load and the participants too, the cost of a transaction says what a second
 * coordinator adds where it has cores of its own.
 */
import { postgresCpuUs, written } from './postgres-share.js';
import { begin, connect, load, onStage, print, processOf, quantile, register } from './stage.js';
import { startNode, startParticipant, startServer } from './stage.js';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 2 : 6;
const ROUND_MS = isQuick ? 2000 : 6000;
/** The same load over two, and twice as much: how full a flush is decides what it costs. */
const SHAPES = [
  { count: 1, initiators: 64 },
  { count: 2, initiators: 64 },
  { count: 2, initiators: 128 },
];
/** Commits of one row, one after the other: how long the disk takes for one. */
const COMMITS = isQuick ? 200 : 1000;

/** CPU so far in µs, and what was written. */
async function used(client, nodes, participant) {
  const [postgres, { wal, commits }] = [await postgresCpuUs(client), await written(client)];
  const own = process.cpuUsage();
  return {
    coordinators: nodes.reduce((sum, { pid }) => sum + processOf(pid).cpuUs, 0),
    postgres,
    others: processOf(participant.pid).cpuUs + own.user + own.system,
    wal,
    commits,
  };
}

async function commitMs(client) {
  await client.query('CREATE TABLE IF NOT EXISTS written (n int)');
  const spent = [];
  for (let count = 0; count < COMMITS; count += 1) {
    const from = performance.now();
    await client.query('INSERT INTO written VALUES (1)');
    spent.push(performance.now() - from);
  }
  return quantile(spent, 0.5);
}

await onStage(async () => {
  const server = await startServer({ max_wal_size: '4GB' });
  const url = await server.database('nodes');
  const participant = await startParticipant();
  const nodes = [await startNode(url), await startNode(url)];
  for (const node of nodes) await register(node, 'noop', participant.url);
  const client = await connect(url);
  const commit = await commitMs(client);
  const found = SHAPES.map(() => []);
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [index, { count, initiators }] of SHAPES.entries()) {
      const before = await used(client, nodes, participant);
      const from = performance.now();
      let turn = 0;
      const once = () => begin(nodes[(turn += 1) % count], 'noop');
      const done = (await load(initiators, 0, ROUND_MS, once)).length;
      const seconds = (performance.now() - from) / 1000;
      const after = await used(client, nodes, participant);
      const each = Object.fromEntries(Object.keys(before).map((what) => [what, (after[what] - before[what]) / done]));
      // The first is the warm-up.
      if (round > 0) found[index].push({ perSecond: done / seconds, ...each });
    }
  }
  const middle = (index, what) =>
    quantile(
      found[index].map((round) => round[what]),
      0.5,
    );
  const rows = SHAPES.map(({ count, initiators }, index) => {
    const of = (what) => middle(index, what);
    const share = of('postgres') / (of('postgres') + of('coordinators'));
    return [
      count,
      initiators,
      of('perSecond').toFixed(0),
      `${((of('perSecond') / middle(0, 'perSecond')) * 100).toFixed(0)} %`,
      ...['coordinators', 'postgres', 'others'].map((what) => of(what).toFixed(0)),
      `${(share * 100).toFixed(0)} %`,
      of('wal').toFixed(0),
      of('commits').toFixed(3),
    ];
  });
  print(
    [
      'coordinators',
      'initiators',
      'TCC/s',
      'of one',
      'coordinators µs each',
      'PostgreSQL µs each',
      'participant and load µs each',
      'PostgreSQL of it and the coordinators',
      'WAL bytes each',
      'commits each',
    ],
    rows,
  );
  process.stdout.write(`A commit of one row by itself: ${commit.toFixed(2)} ms.\n\n`);
});
