/**
 * A service that places orders, each with a message, until it is told that it is enough: POST /enough. One after another
 * for each key; some are rolled back, some take longer than the coordinator waits before it asks.
 */
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { Messages, TercetClient, TercetError } from '@tercet/client';

const { database, coordinators, topic, keys, hotKeys, slowMs } = JSON.parse(process.argv[2]);
const port = Number(process.argv[3]);
const REST_MS = 300;
const ROLLED_BACK = { every: 4 };
const SLOW = { every: 14 };
/** Orders of a process come after those of the one before it. */
const run = Date.now();

const pool = new pg.Pool({ connectionString: database, max: 30 });
pool.on('error', () => undefined);
// A short patience: whatever does not answer is left to the check.
const clients = coordinators.map((url) => new TercetClient({ url, timeoutMs: 1500, retry: { attempts: 2 } }));
let turn = 0;
/** One may begin what another ends. */
const next = () => clients[turn++ % clients.length];
const client = {
  begin: (...args) => next().begin(...args),
  submit: (...args) => next().submit(...args),
  abort: (...args) => next().abort(...args),
};
const messages = new Messages(client, { component: 'order', pool });

let isEnough = false;

/** @param {string} key @param {number} restMs */
async function placeOrders(key, restMs) {
  for (let n = 0; !isEnough; n += 1) {
    const gid = `${key}.${run}.${n}`;
    const deliveries = [{ branchId: 'ship', topic, key, payload: { n } }];
    const done = await messages
      .inTransaction({ gid, deliveries }, async (manager) => {
        await manager.query('INSERT INTO purchase (gid, key, run, n) VALUES ($1, $2, $3, $4)', [gid, key, run, n]);
        await pause(n % SLOW.every === SLOW.every - 1 ? slowMs : 0);
        if (n % ROLLED_BACK.every === ROLLED_BACK.every - 1) throw new Error('sold out');
      })
      .catch(() => null);
    if (done?.submitted) await pool.query('UPDATE purchase SET is_acknowledged = true WHERE gid = $1', [gid]);
    await pause(restMs);
  }
}

async function answerTo(request) {
  if (request.url === '/enough') {
    isEnough = true;
    await orders;
    return 200;
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const timeoutMs = Number(request.headers['tercet-timeout-ms']);
  const answer = await messages.check({ ...JSON.parse(Buffer.concat(chunks).toString()), timeoutMs });
  return answer.kind === 'committed' ? 200 : 409;
}

const server = createServer((request, response) => {
  answerTo(request)
    .catch((error) => (error instanceof TercetError ? error.status : 500))
    .then((status) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(status === 409 ? JSON.stringify({ reason: 'rolled back' }) : '');
    });
});
const orders = Promise.all(keys.map((key, index) => placeOrders(key, index < hotKeys ? 0 : REST_MS)));
server.listen(port, '127.0.0.1', () => process.stdout.write(`listening on http://127.0.0.1:${port}\n`));
