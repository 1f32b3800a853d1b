import pg from 'pg';
import type { Member } from '../../src/engine/ports.js';
import { prepareDatabase } from '../../src/storage/data-source.js';
import { PostgresLog } from '../../src/storage/transaction-log.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { describeMessages } from './messages.suite.js';
import type { OutboxRow } from './messages.suite.js';
import { describeTransactionLog } from './transaction-log.suite.js';

const logger = { info() {}, warn() {}, error() {} };
let database: TestDatabase;
let admin: pg.Pool;
const logs: PostgresLog[] = [];

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  admin = new pg.Pool({ connectionString: database.url, max: 1 });
});

afterAll(async () => {
  await admin.end();
  await database.drop();
});

async function open() {
  await admin.query(
    `TRUNCATE tercet.transaction, tercet.branch, tercet.timeline, tercet.member, tercet.gid, tercet.history,
              tercet.outbox`,
  );
  await admin.query('UPDATE tercet.work_gate SET epoch = 0');
  return {
    node: (): PostgresLog => {
      const log = new PostgresLog({ url: database.url, leaseMs: 5000 }, logger);
      logs.push(log);
      return log;
    },
    expire: async ({ id }: Member): Promise<void> => {
      await admin.query(`UPDATE tercet.member SET until = now() - interval '1 second' WHERE id = $1`, [id]);
    },
    toEpoch: async (epoch: number): Promise<void> => {
      await admin.query('UPDATE tercet.work_gate SET epoch = $1', [epoch]);
    },
    outbox: async (): Promise<OutboxRow[]> => {
      const { rows } = await admin.query<OutboxRow>(
        'SELECT message_id AS id, topic, key, payload FROM tercet.outbox o ORDER BY o.id',
      );
      return rows;
    },
  };
}

async function close(): Promise<void> {
  await Promise.all(logs.splice(0).map((log) => log.close()));
}

describeTransactionLog('PostgreSQL', open, close);
describeMessages('PostgreSQL', open, close);
