/** The statements of a lane find rows by the primary key, in its order, even those prepared over empty tables. */
import { OUTBOX_PREFIX, tablesOf } from '../../../src/outbox/schema.js';
import { Session } from '../../../src/outbox/session.js';
import { laneStatements } from '../../../src/outbox/statements.js';
import { Outbox } from './outbox.js';

let outbox: Outbox;

beforeAll(async () => {
  outbox = await Outbox.create();
});

afterAll(() => outbox.close());

const VALUES = {
  read: ['{1,2}', '{7}', [], [], [], 500, 900_000],
  remove: ['relay', '{1}', '{1}', '{1,1}', '{5,6}'],
  bury: ['relay', '{1}', '{1}', '5', 'too large'],
};

test.each(['read', 'remove', 'bury'] as const)('%s', async (name) => {
  const plan = await planOf(name);
  expect(plan).toContain('Index Scan using tercet_outbox_pkey on tercet_outbox m');
  expect(plan).not.toMatch(/Sort|Bitmap|Seq Scan|Hash Join|Merge Join/);
});

// An outbox is empty most of the time, and vacuumed then: the planner expects one row, and any order of a join is right.
test.each(['read', 'remove', 'bury'] as const)('%s, prepared after a vacuum of the empty table', async (name) => {
  await outbox.pool.query('VACUUM tercet_outbox');
  const scans = (await planOf(name)).split('Index Scan using tercet_outbox_pkey on tercet_outbox m').slice(1);
  expect(scans).toHaveLength(1);
  expect(scans[0]).toMatch(/^.*\n\s+Index Cond: .*bucket = /);
});

async function planOf(name: keyof typeof VALUES): Promise<string> {
  const session = new Session(outbox.pool, 10_000);
  const { text } = laneStatements(tablesOf(OUTBOX_PREFIX))[name];
  const rows = await session.query<{ 'QUERY PLAN': string }>({ name: 'plan', text: `EXPLAIN ${text}` }, VALUES[name]);
  await session.close();
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}
