/**
 * npm run bench -- --history [--quick] [--rows 5000000]
 *
 * What millions of finished transactions cost: throughput beside an empty database, lists and single ones over HTTP, what
 * recovery looks for, and taking a partition out while transactions begin and end. Then what a long run at full load leaves in
 * the tables of what is under way.
 */
import { PostgresLog } from '../../dist/src/storage/transaction-log.js';
import { detach, detached, drop } from '../../dist/src/storage/partitions.js';
import { countUnfinished } from '../../dist/src/storage/unfinished.js';
import { fill, DAYS } from './history-rows.js';
import { quiet } from './quiet.js';
import { ask, begin, connect, load, onStage, option, print, quantile, register } from './stage.js';
import { startNode, startParticipant, startServer, until } from './stage.js';
import { longRun } from './tables.js';

const isQuick = process.argv.includes('--quick');
const ROWS = option('rows', isQuick ? 250_000 : 5_000_000);
const INITIATORS = 64;
const ROUNDS = isQuick ? 2 : 6;
const ROUND_MS = isQuick ? 1500 : 4000;
const LOOKS = isQuick ? 50 : 300;
const DAY_MS = 86_400_000;
const LEASE_MS = 5000;
const ms = (value) => value.toFixed(1);

/** In turns, so that a machine whose speed drifts does so for both. */
async function throughput(nodes) {
  const found = { empty: [], full: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [name, node] of Object.entries(nodes)) {
      const done = await load(INITIATORS, 500, ROUND_MS, () => begin(node, 'noop'));
      // The first is the warm-up.
      if (round > 0) found[name].push((done.length / ROUND_MS) * 1000);
    }
  }
  const [empty, full] = [quantile(found.empty, 0.5), quantile(found.full, 0.5)];
  print(
    [`two branches, ${INITIATORS} initiators`, 'TCC/s', 'of the empty one', 'target'],
    [
      ['empty', empty.toFixed(0), '', ''],
      [`${ROWS} finished`, full.toFixed(0), `${((full / empty) * 100).toFixed(0)} %`, 'at least 90 %'],
    ],
  );
}

async function timed(count, work) {
  const spent = [];
  let last;
  for (let done = 0; done < count; done += 1) {
    const from = performance.now();
    last = await work();
    spent.push(performance.now() - from);
  }
  return { spent, last };
}

/** One page of each filter, and single ones, old and new, one request after the other. */
async function looks(node, gids) {
  const list = (query) => ask('GET', `${node.url}/v1/transactions?${new URLSearchParams(query)}`).then(JSON.parse);
  const { businessKey } = JSON.parse(await ask('GET', `${node.url}/v1/transactions/${gids[0]}`));
  await timed(LOOKS, () => list({}));
  const { next } = await list({});
  const queries = {
    'first page': {},
    'next page': { after: next },
    'by business key': { businessKey },
    unfinished: { unfinished: true },
    'status committed': { status: 'committed' },
    'status aborted, 1 in 1,000': { status: 'aborted' },
    'mode saga, 1 in 3': { mode: 'saga' },
    'mode message, 1 in 10,000': { mode: 'message' },
    'component stock, 1 in 3': { component: 'stock' },
    'component rare, 1 in 100,000': { component: 'rare' },
    'component rare and aborted': { component: 'rare', status: 'aborted' },
  };
  const rows = [];
  for (const [what, query] of Object.entries(queries)) {
    const { spent, last } = await timed(LOOKS, () => list(query));
    rows.push([what, last.transactions.length, ms(quantile(spent, 0.5)), ms(quantile(spent, 0.99)), '20']);
  }
  const [oldest, newest] = [gids[0], gids.at(-1)];
  for (const [what, gid] of Object.entries({ 'show an old one': oldest, 'show a new one': newest })) {
    for (const path of ['', '/timeline']) {
      const { spent } = await timed(LOOKS, () => ask('GET', `${node.url}/v1/transactions/${gid}${path}`));
      rows.push([`${what}${path && ', its timeline'}`, 1, ms(quantile(spent, 0.5)), ms(quantile(spent, 0.99)), '20']);
    }
  }
  print(['over HTTP', 'found on the page', 'p50 ms', 'p99 ms', 'target'], rows);
}

/** What a node asks for about every second, whatever is in history. */
async function scans(url) {
  const log = new PostgresLog({ url, leaseMs: LEASE_MS }, quiet);
  const member = await log.join('bench', 600_000);
  const works = {
    'nothing to take over': () => log.takeOver(member, 200),
    'what this node owns': () => log.owned(member),
    'how much is unfinished': () => countUnfinished({ read: (text) => log.database.read(text) }),
  };
  const rows = [];
  for (const [what, work] of Object.entries(works)) {
    const { spent } = await timed(LOOKS, work);
    rows.push([what, ms(quantile(spent, 0.5)), ms(quantile(spent, 0.99)), '5']);
  }
  await log.leave(member);
  await log.close();
  print(['recovery and its kind', 'p50 ms', 'p99 ms', 'target'], rows);
}

/** The oldest day goes, as retention takes it out, while transactions begin and end. */
async function dropping(url, node) {
  const client = await connect(url);
  const done = (forMs) => load(INITIATORS, 0, forMs, () => begin(node, 'noop'));
  const before = await done(ROUND_MS);
  const spent = {};
  const clocked = async (what, work) => {
    const from = performance.now();
    const result = await work();
    (spent[what] ??= []).push(performance.now() - from);
    return result;
  };
  let isOver = false;
  const latencies = [];
  const loading = (async () => {
    while (!isOver) latencies.push(...(await done(ROUND_MS / 4)));
  })();
  // If what follows fails first, that is told.
  loading.catch(() => undefined);
  const horizon = Math.floor(Date.now() / DAY_MS) * DAY_MS - (DAYS - 1) * DAY_MS;
  await detach(client, horizon, (work) => clocked('taken out', work));
  const [name] = await detached(client);
  const rows = await drop(client, name, (work) => clocked('dropped', work));
  isOver = true;
  await loading;
  const freed = spent.dropped.slice(0, -1);
  const cells = (values) => [ms(quantile(values, 0.5)), ms(quantile(values, 0.99)), ms(Math.max(...values))];
  print(
    [`a partition of ${rows} rows goes`, 'times', 'p50 ms', 'p99 ms', 'most ms'],
    [
      ['taken out of history', 1, ...cells(spent['taken out'])],
      ['5,000 gids freed', freed.length, ...cells(freed)],
      ['dropped', 1, ...cells(spent.dropped.slice(-1))],
      ['transactions before', before.length, ...cells(before)],
      ['transactions meanwhile', latencies.length, ...cells(latencies)],
    ],
  );
}

await onStage(async () => {
  const server = await startServer({ max_wal_size: '4GB' });
  const urls = { empty: await server.database('none'), full: await server.database('filled') };
  const { gids } = await fill(urls.full, ROWS);
  const participant = await startParticipant();
  const nodes = {};
  for (const [name, url] of Object.entries(urls)) {
    nodes[name] = await startNode(url);
    await register(nodes[name], 'noop', participant.url);
  }
  // First: what the load adds is all alike, and would stand before what a filter looks for.
  await looks(nodes.full, gids);
  await throughput(nodes);
  await scans(urls.full);
  await dropping(urls.full, nodes.full);
  await longRun(urls.full, nodes.full);
  const client = await connect(urls.full);
  await until(async () => (await client.query('SELECT FROM tercet.transaction')).rowCount === 0, 100, 10_000);
});
