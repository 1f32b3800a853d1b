/** npm run bench -- --history, the long run: what the tables of what is under way hold after much has come and gone. */
import { begin, connect, load, print } from './stage.js';

const isQuick = process.argv.includes('--quick');
const LONG_MS = isQuick ? 20_000 : 240_000;
const INITIATORS = 64;
/** How many parts it is seen in, and so how often the tables are looked at. */
const PARTS = 4;

const TABLES = ['transaction', 'branch', 'timeline', 'gid', 'member', 'component'];
const SIZES = `
  SELECT relname AS name, n_live_tup::int AS live, n_dead_tup::int AS dead, n_tup_upd::float8 AS updated,
         n_tup_hot_upd::float8 AS hot, pg_table_size(relid)::float8 AS size, pg_indexes_size(relid)::float8 AS indexes,
         autovacuum_count::int AS vacuums
    FROM pg_stat_user_tables WHERE schemaname = 'tercet' AND relname = ANY ($1) ORDER BY array_position($1, relname::text)`;

/** Full load for minutes, in parts. */
export async function longRun(url, node) {
  const client = await connect(url);
  const looked = [];
  const look = async () => looked.push((await client.query(SIZES, [TABLES])).rows);
  const perSecond = [];
  await look();
  for (let part = 0; part < PARTS; part += 1) {
    const partMs = LONG_MS / PARTS;
    const done = await load(INITIATORS, 0, partMs, () => begin(node, 'noop'));
    perSecond.push((done.length / partMs) * 1000);
    await look();
  }
  const mb = (bytes) => (bytes / 2 ** 20).toFixed(1);
  const [first, middle, last] = [looked[0], looked[PARTS / 2], looked[PARTS]];
  const rows = last.map((row, index) => {
    const updated = row.updated - first[index].updated;
    const share = updated === 0 ? '' : `${(((row.hot - first[index].hot) / updated) * 100).toFixed(0)} %`;
    const three = (value) => [first, middle, last].map((rows) => value(rows[index])).join(', ');
    return [
      row.name,
      three(({ dead }) => dead),
      three(({ size }) => mb(size)),
      three(({ indexes }) => mb(indexes)),
      updated,
      share,
      row.vacuums - first[index].vacuums,
    ];
  });
  print(
    [
      `${LONG_MS / 1000} s at full load: at first, half way, at the end`,
      'dead rows',
      'table MB',
      'indexes MB',
      'updates',
      'HOT, target 80 %',
      'vacuums',
    ],
    rows,
  );
  process.stdout.write(`TCC/s in each quarter: ${perSecond.map((value) => value.toFixed(0)).join(', ')}\n\n`);
}
