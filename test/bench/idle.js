/**
 * npm run bench -- --idle [--quick]
 *
 * What a coordinator costs that has nothing to do: its own CPU, PostgreSQL's, and every statement it sends.
 */
import {
  connect,
  onStage,
  print,
  processOf,
  register,
  sleep,
  startNode,
  startParticipant,
  startServer,
} from './stage.js';
import { postgresCpuUs } from './postgres-share.js';

const isQuick = process.argv.includes('--quick');
/** A process that has just started tidies up after itself in its first half minute, once. */
const SETTLE_MS = isQuick ? 3000 : 30_000;
const IDLE_MS = isQuick ? 10_000 : 30_000;

const STATEMENTS = `
  SELECT regexp_replace(query, '\\s+', ' ', 'g') AS text, calls::int, total_exec_time AS ms
    FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
   WHERE d.datname = current_database() AND query NOT LIKE '%pg_stat_statements%' ORDER BY calls DESC`;

await onStage(async () => {
  const server = await startServer();
  const url = await server.database('idle');
  const node = await startNode(url);
  const participant = await startParticipant();
  await register(node, 'noop', participant.url);
  await sleep(SETTLE_MS);
  const client = await connect(url);
  await client.query('CREATE EXTENSION pg_stat_statements');
  await client.query('SELECT pg_stat_statements_reset()');
  const before = { node: processOf(node.pid).cpuUs, postgres: await postgresCpuUs(server.admin) };
  await sleep(IDLE_MS);
  const share = (us) => `${(us / IDLE_MS / 10).toFixed(2)} %`;
  const used = processOf(node.pid).cpuUs - before.node;
  const database = (await postgresCpuUs(server.admin)) - before.postgres;
  const { rows } = await client.query(STATEMENTS);
  const calls = rows.reduce((sum, row) => sum + row.calls, 0);
  const perSecond = (count) => ((count * 1000) / IDLE_MS).toFixed(2);
  print(
    [`idle for ${IDLE_MS / 1000} s`, 'here', 'target'],
    [
      ['CPU of the coordinator, of one core', share(used), 'under 1 %'],
      ['CPU of PostgreSQL for it, of one core', share(database), ''],
      ['statements a second', perSecond(calls), 'a handful'],
      ['resident memory, MB', processOf(node.pid).rssMb.toFixed(0), ''],
    ],
  );
  print(
    ['statement', 'a second', 'ms of PostgreSQL each'],
    rows.map(({ text, calls: count, ms }) => [
      `\`${text.trim().slice(0, 90).replaceAll('|', '\\|')}\``,
      perSecond(count),
      (ms / count).toFixed(3),
    ]),
  );
});
