/** Millions of finished transactions, multiplied in the database from a few that a coordinator really drove. */
import { ask, begin, connect, register, startNode, startParticipant, until } from './stage.js';

export const DAYS = 6;
const DAY_MS = 86_400_000;
const COLUMNS = `mode, drive, business_key, begun_by, deadline_at, owner, epoch, version, status, decision, reason, parked,
  progress, replies, decided_at, branches, payloads, events, trace, plan, release`;

/** Which of them the row `i` is made from: mostly TCC and sagas, one in a thousand aborted, the others hardly ever. */
const PICKED = `CASE WHEN i % 99991 = 0 THEN 'rare' WHEN i % 9973 = 0 THEN 'message' WHEN i % 1009 = 0 THEN 'aborted'
                     ELSE (ARRAY['tcc', 'stock', 'saga'])[1 + i % 3] END`;

/** A UUIDv7 of the time `began`. */
const GID = `(lpad(to_hex((extract(epoch FROM began) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 19))::uuid::text`;

/** A few transactions, driven to their ends: by business key what they are the model of. */
async function drive(url) {
  const node = await startNode(url);
  const participant = await startParticipant('told.js');
  for (const name of ['order', 'stock', 'rare']) await register(node, name, `${participant.url}/free`);
  await register(node, 'refusing', `${participant.url}/refusing`);
  await begin(node, 'order', { businessKey: 'tcc' });
  await begin(node, 'stock', { businessKey: 'stock' });
  await begin(node, 'order', { businessKey: 'saga', mode: 'saga' });
  await begin(node, 'refusing', { businessKey: 'aborted' });
  await begin(node, 'rare', { businessKey: 'rare' });
  const check = { component: 'order', payload: null };
  const deliveries = [{ branchId: 'a', component: 'stock', payload: { amount: 1 } }];
  const message = JSON.stringify({ mode: 'message', gid: 'model', businessKey: 'message', check, deliveries });
  await ask('POST', `${node.url}/v1/transactions`, message);
  await ask('POST', `${node.url}/v1/transactions/model/submit`);
  const client = await connect(url);
  const ended = async () => (await client.query('SELECT FROM tercet.history')).rowCount === 6;
  await until(ended, 100, 10_000);
  await node.stop();
  await participant.stop();
  return client;
}

/**
 * Fills each of the days before today with a sixth of `rows`, evenly over the day, each day in a partition of its own.
 *
 * @returns the client that did it, and a gid out of each day, of one with a business key, the oldest first
 */
export async function fill(url, rows) {
  const client = await drive(url);
  await client.query(`
    CREATE TABLE model AS SELECT * FROM tercet.history;
    ALTER TABLE tercet.history DETACH PARTITION tercet.history_before;
    DROP TABLE tercet.history_before;
    SET maintenance_work_mem = '512MB'`);
  const perDay = Math.ceil(rows / DAYS);
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const gids = [];
  for (let day = DAYS; day >= 1; day -= 1) {
    const from = new Date(today - day * DAY_MS).toISOString();
    const name = `tercet.history_${from.slice(0, 10).replaceAll('-', '')}`;
    const until = new Date(today - (day - 1) * DAY_MS).toISOString();
    // Its indexes are made by ATTACH, after all rows are in: several times as fast.
    await client.query(`CREATE TABLE ${name} (LIKE tercet.history INCLUDING DEFAULTS)`);
    await client.query(`
      INSERT INTO ${name} (gid, began_at, ended_at, ${COLUMNS})
      SELECT ${GID}, began, began + interval '40 ms',
             ${COLUMNS.replace('business_key', "CASE WHEN i % 5 < 3 THEN 'order-' || i / 2 END")}
        FROM (SELECT i, ${PICKED} AS picked, '${from}'::timestamptz + (i - ${day * perDay}) * interval '${86_000 / perDay} s' AS began
                FROM generate_series(${day * perDay}, ${(day + 1) * perDay - 1}) AS i) made
        JOIN model m ON m.business_key = picked`);
    await client.query(
      `ALTER TABLE tercet.history ATTACH PARTITION ${name} FOR VALUES FROM ('${from}') TO ('${until}')`,
    );
    await client.query(`INSERT INTO tercet.gid SELECT gid, md5(gid) || md5(began_at::text), began_at FROM ${name}`);
    const middle = await client.query(
      `SELECT gid FROM ${name} WHERE business_key IS NOT NULL ORDER BY began_at OFFSET ${perDay >> 2} LIMIT 1`,
    );
    gids.push(middle.rows[0].gid);
    process.stderr.write(`${perDay} rows in ${name}\n`);
  }
  await client.query('DROP TABLE model');
  await client.query('VACUUM ANALYZE tercet.history');
  await client.query('VACUUM ANALYZE tercet.gid');
  return { client, gids };
}
