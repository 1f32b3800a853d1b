/** kill -9 of each participant in each phase, before its effect and after it. */
import pg from 'pg';
import { SERVICES, Shop } from '../../examples/scenarios/shop.js';
import { Calls } from './calls.js';
import { expectNothingUnfinished, heldAtCalls, patientClient, Purchase } from './purchase.js';
import { GRAPH, OUTCOMES, TCC } from './shapes.js';
import type { Outcome } from './shapes.js';

let shop: Shop;
let calls: Calls;

beforeAll(async () => {
  shop = await Shop.open({ databaseUrl: process.env['TEST_POSTGRES_URL']! });
  calls = new Calls(shop.gate);
  await shop.start();
});

afterAll(() => shop.close());

afterEach(() => expectNothingUnfinished(patientClient(shop.coordinator.url)));

/** As it should have, unless this machine is so slow that the service missed every attempt of a try. */
async function outcomeOf({ gid, outcome }: Purchase): Promise<Outcome> {
  const { reason } = await patientClient(shop.coordinator.url).wait(gid, { until: 'decided', waitMs: 60_000 });
  return reason?.kind === 'unknown' ? 'aborted' : outcome;
}

describe.each(SERVICES)('kill -9 of the service %s', (service) => {
  test('in each operation, before its effect and after it: it comes back, and each is there once', async () => {
    const cases = [TCC, GRAPH].flatMap((shape) => OUTCOMES.map((outcome) => ({ shape, outcome })));
    const lists = cases.map(({ shape, outcome }) => heldAtCalls(shop, calls, outcome, { shape, services: [service] }));
    const held = (await Promise.all(lists)).flat();
    for (const { purchase } of held) void purchase.begin();
    await Promise.all(held.map(({ moment }) => moment.reached));
    await shop.services[service].signal('SIGKILL');
    await shop.services[service].start();
    await Promise.all(held.map(({ moment }) => moment.lose()));
    for (const { purchase } of held) await purchase.expectOnce({ outcome: await outcomeOf(purchase) });
  });

  test.each([
    ['try', TCC],
    ['action', GRAPH],
  ] as const)('in its %s, and it stays away: all is aborted, in this service too', async (op, shape) => {
    const purchase = await Purchase.of(shop, `${service}-away-${op}`, 'committed', shape);
    const moment = calls.hold({ gid: purchase.gid, service, op }, 'after');
    void purchase.begin();
    await moment.reached;
    await shop.services[service].signal('SIGKILL');
    await moment.lose();
    expect(await outcomeOf(purchase)).toBe('aborted');
    await shop.services[service].start();
    await purchase.expectOnce({ outcome: 'aborted' });
  });
});

test.each([
  ['try', 'committed', TCC],
  ['confirm', 'committed', TCC],
  ['cancel', 'aborted', TCC],
  ['action', 'committed', GRAPH],
  ['compensate', 'aborted', GRAPH],
] as const)('kill -9 of a service in the middle of its %s: nothing is left of the half', async (op, outcome, shape) => {
  const { account } = shop.services;
  const purchase = await Purchase.of(shop, `half-${op}`, outcome, shape);
  const moment = calls.hold({ gid: purchase.gid, service: 'account', op }, 'before');
  void purchase.begin();
  await moment.reached;
  const admin = new pg.Client(account.program.env['DATABASE_URL']);
  await admin.connect();
  // Its work cannot get past this row.
  await admin.query('BEGIN');
  await admin.query('SELECT FROM account WHERE id = $1 FOR UPDATE', [purchase.gid]);
  const passed = moment.pass();
  await shop.until('its work waits for the row', async () => {
    // Within a transaction the first look would be shown again and again.
    await admin.query('SELECT pg_stat_clear_snapshot()');
    const waiting = await admin.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return waiting.rows.length > 0;
  });
  await account.signal('SIGKILL');
  await admin.query('ROLLBACK');
  await admin.end();
  await account.start();
  await passed;
  await purchase.expectOnce({ outcome: await outcomeOf(purchase) });
});
