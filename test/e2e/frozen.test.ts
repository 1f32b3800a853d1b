/** A coordinator that is frozen past its lease at every boundary of a TCC, and another one that takes over. */
import pg from 'pg';
import type { Service } from '../../examples/scenarios/processes.js';
import { Shop } from '../../examples/scenarios/shop.js';
import type { TercetClient } from '../../src/client/index.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { Calls } from './calls.js';
import { expectNothingUnfinished, heldAtCalls, patientClient, Purchase } from './purchase.js';
import type { Held } from './purchase.js';
import { Road, WAYS } from './road.js';
import { GRAPH, OUTCOMES, TCC } from './shapes.js';

const settings = { TERCET_LEASE_MS: '1000' };

let database: TestDatabase;
let admin: pg.Client;
let road: Road;
let shop: Shop;
let calls: Calls;
/** Never frozen. */
let other: Service;
let otherClient: TercetClient;

beforeAll(async () => {
  database = await createDatabase();
  admin = new pg.Client(database.url);
  await admin.connect();
  road = await Road.open(database.url);
  shop = await Shop.open({ databaseUrl: process.env['TEST_POSTGRES_URL']!, logUrl: road.url, settings });
  calls = new Calls(shop.gate);
  await shop.start();
  other = shop.addCoordinator('other', { ...settings, DATABASE_URL: database.url });
  await other.start();
  otherClient = patientClient(other.url);
});

afterAll(async () => {
  await shop.close();
  await road.close();
  await admin.end();
  await database.drop();
});

/** The lease of the frozen one has run out, and that was noticed. */
async function isDead(): Promise<boolean> {
  const { rows } = await admin.query(`SELECT FROM tercet.member WHERE node <> 'other' AND NOT dead`);
  return rows.length === 0;
}

/** Everything that is recorded of it. */
async function recorded(gid: string): Promise<unknown> {
  const { rows } = await admin.query<{ tx: unknown }>(
    `SELECT to_jsonb(t) AS tx, (SELECT jsonb_agg(l ORDER BY version) FROM tercet.timeline l WHERE l.gid = t.gid) AS timeline
       FROM tercet.transaction t WHERE gid = $1
      UNION ALL
     SELECT to_jsonb(h), NULL FROM tercet.history h WHERE gid = $1`,
    [gid],
  );
  return rows[0];
}

/** Frozen when all is held where it should be; what was held arrives when the other one has ended everything. */
async function freeze(held: readonly Held[], name: string): Promise<void> {
  const { coordinator } = shop;
  const client = patientClient(coordinator.url);
  for (const { purchase } of held) void purchase.begin();
  await Promise.all(held.map(({ moment }) => moment.reached));
  await coordinator.signal('SIGSTOP');
  for (const { purchase } of held) await purchase.takenOver(otherClient);
  await shop.until('the frozen one is declared dead', isDead);
  const before = await Promise.all(held.map(({ purchase }) => recorded(purchase.gid)));
  await Promise.all(held.map(({ moment }) => moment.pass()));
  await coordinator.signal('SIGCONT');
  // Its writes leave in their order: when this one has ended, whatever it still had to say was said.
  const next = await Purchase.of(shop, `${name}-next`, 'committed');
  await next.begin(client);
  await next.expectOnce({ client });
  expect(await Promise.all(held.map(({ purchase }) => recorded(purchase.gid)))).toEqual(before);
  await Promise.all(held.map(({ purchase }) => purchase.expectOnce({ client })));
  await expectNothingUnfinished(client);
}

describe.each(OUTCOMES)('a transaction is %s once and everywhere by another coordinator', (outcome) => {
  const boundaries = TCC.writes[outcome].flatMap((write) => WAYS.map((way) => ({ write, way })));

  test.each(boundaries)('while its own is frozen with its $write on its way $way', async ({ write, way }) => {
    const purchase = await Purchase.of(shop, `${outcome}-${write}-${way}`, outcome);
    await freeze([{ purchase, moment: road.hold(write, purchase.gid, way) }], purchase.gid);
  });

  test.each([TCC, GRAPH])('while its own is frozen with its calls on their way: $name', async (shape) => {
    await freeze(await heldAtCalls(shop, calls, outcome, { shape }), `${outcome}-${shape.name.replaceAll(' ', '-')}`);
  });
});
