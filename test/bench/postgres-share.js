/** What PostgreSQL uses: the CPU of all its processes, and the WAL and the commits of a database. */
import { readdirSync, readFileSync } from 'node:fs';
import { processOf } from './stage.js';

/** Of the server and of every process that it started and that still runs: µs. */
export async function postgresCpuUs(client) {
  const { rows } = await client.query(`SELECT pg_backend_pid() AS pid`);
  const parentOf = (pid) => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')[1]);
  const postmaster = parentOf(rows[0].pid);
  let sum = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (Number(pid) === postmaster || parentOf(pid) === postmaster) sum += processOf(pid).cpuUs;
    } catch {
      // It ended meanwhile.
    }
  }
  return sum;
}

/** WAL bytes of the server and commits of the database of `client`, both since its start. */
export async function written(client) {
  await client.query('SELECT pg_stat_force_next_flush()');
  const { rows } = await client.query(`
    SELECT (pg_current_wal_lsn() - '0/0')::float8 AS wal, xact_commit::float8 AS commits
      FROM pg_stat_database WHERE datname = current_database()`);
  return rows[0];
}
