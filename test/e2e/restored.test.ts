/** A log that is restored to an earlier moment, while the services know what came after: docs/operations.md. */
import pg from 'pg';
import type { Service } from '../../examples/scenarios/processes.js';
import { Shop } from '../../examples/scenarios/shop.js';
import type { TercetClient } from '../../src/client/index.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { patientClient, Purchase } from './purchase.js';
import { Road } from './road.js';
import { OUTCOMES } from './shapes.js';

const settings = { TERCET_LEASE_MS: '1000' };

let database: TestDatabase;
let restored: pg.Client;
let road: Road;
let shop: Shop;
let node: Service;
let client: TercetClient;
let open: Record<'early' | 'late', Purchase>;
let later: Purchase[];

/** All that was recorded at one moment, in another database. */
async function copy(): Promise<string> {
  const admin = new pg.Client(process.env['TEST_POSTGRES_URL']);
  await admin.connect();
  const name = new URL(database.url).pathname.slice(1);
  // What the killed coordinator left connected would keep it from being copied.
  await admin.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [name]);
  await admin.query(`CREATE DATABASE ${name}_restored TEMPLATE ${name}`);
  await admin.end();
  return `${database.url}_restored`;
}

beforeAll(async () => {
  database = await createDatabase();
  road = await Road.open(database.url);
  shop = await Shop.open({ databaseUrl: process.env['TEST_POSTGRES_URL']!, logUrl: road.url, settings });
  await shop.start();
  // Two that are open at that moment, all tries done; both are committed after it.
  const early = await Purchase.of(shop, 'open-early', 'committed');
  const late = await Purchase.of(shop, 'open-late', 'committed');
  open = { early, late };
  const decisions = Object.values(open).map(({ gid }) => road.hold('decision', gid, 'there'));
  for (const purchase of Object.values(open)) void purchase.begin();
  await Promise.all(decisions.map(({ reached }) => reached));
  await shop.coordinator.signal('SIGKILL');
  await Promise.all(decisions.map((decision) => decision.lose()));
  const url = await copy();
  await shop.coordinator.start();
  later = await Promise.all(OUTCOMES.map((outcome) => Purchase.of(shop, `later-${outcome}`, outcome)));
  for (const purchase of [...Object.values(open), ...later]) await purchase.expectOnce();

  restored = new pg.Client(url);
  await restored.connect();
  await restored.query(`UPDATE tercet.transaction SET deadline_at = began_at WHERE gid = $1`, [late.gid]);
  node = shop.addCoordinator('restored', { ...settings, DATABASE_URL: url });
  await node.start();
  client = patientClient(node.url);
});

afterAll(async () => {
  await restored.end();
  await shop.close();
  await road.close();
  await database.drop();
  const name = new URL(database.url).pathname.slice(1);
  const admin = new pg.Client(process.env['TEST_POSTGRES_URL']);
  await admin.connect();
  await admin.query(`DROP DATABASE ${name}_restored WITH (FORCE)`);
  await admin.end();
});

test('what was open and is not late comes to the end that it had, once', async () => {
  expect(await client.wait(open.early.gid)).toMatchObject({ status: 'committed' });
  await open.early.expectEffects('committed');
});

test('what was open and was committed since, and is late by now, is not cancelled, and a person settles it', async () => {
  const { gid } = open.late;
  const refused = async (): Promise<boolean> => {
    const { events } = await client.timeline(gid);
    return events.some(({ detail }) => detail?.includes('TERCET_FENCE_ENDED'));
  };
  await client.retry(gid, 'so that what it is told is written down');
  await shop.until('the fence refuses the cancel', refused);
  await open.late.expectEffects('committed');
  await client.park(gid, 'it was committed before the log was restored');
  for (const branchId of ['order', 'account', 'inventory']) await client.force(gid, branchId, 'it is done');
  expect(await client.wait(gid)).toMatchObject({ status: 'aborted', parked: null });
  await open.late.expectEffects('committed');
});

test('what was begun since comes to the decision that it had when it is begun again, once', async () => {
  for (const purchase of later) {
    await expect(client.get(purchase.gid)).rejects.toMatchObject({ code: 'TERCET_TRANSACTION_UNKNOWN' });
    await purchase.takenOver(client);
    expect(await client.get(purchase.gid)).toMatchObject({ status: purchase.outcome });
    await purchase.expectEffects();
  }
});
