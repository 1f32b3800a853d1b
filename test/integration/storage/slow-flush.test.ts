/** A flush that is too much for one statement goes out in parts; nobody fails for his neighbours. */
import pg from 'pg';
import { LogUnavailable } from '../../../src/engine/ports.js';
import type { Member } from '../../../src/engine/ports.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { branch, ended, transaction } from '../../contract/sample.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';

const logger = { info() {}, warn() {}, error() {} };
const HASH = 'a'.repeat(64);
/** A statement may take half of it. */
const LEASE_MS = 1200;

let database: TestDatabase;
let admin: pg.Client;
let log: PostgresLog;
let member: Member;
let flushes: number[];

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  // A business key says how long the insert of its row takes, in seconds.
  await admin.query(`
    CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
      PERFORM pg_sleep(NEW.business_key::float8);
      RETURN NEW;
    END';
    CREATE TRIGGER slow BEFORE INSERT ON tercet.transaction FOR EACH ROW WHEN (NEW.business_key IS NOT NULL)
      EXECUTE FUNCTION slowly()`);
});

afterAll(async () => {
  await admin.end();
  await database.drop();
});

beforeEach(async () => {
  flushes = [];
  log = new PostgresLog({ url: database.url, leaseMs: LEASE_MS }, logger, (rows) => void flushes.push(rows));
  member = await log.join('north', 60_000);
});

afterEach(() => log.close());

/** The first goes out alone, the others with the next flush. */
const insertAll = (keys: (string | null)[]) =>
  Promise.allSettled([null, ...keys].map((businessKey) => log.insert(member, transaction({ businessKey }), HASH))).then(
    (results) => results.slice(1),
  );

test('what is too slow together is written in parts', async () => {
  const results = await insertAll(Array.from({ length: 6 }, () => '0.2'));
  expect(results.map(({ status }) => status)).toEqual(Array(6).fill('fulfilled'));
  expect(flushes).toContain(0);
  expect(flushes.reduce((sum, rows) => sum + rows)).toBe(7);
});

test('what is too slow alone fails alone', async () => {
  const results = await insertAll([null, null, '60', null, null]);
  expect(results[2]).toMatchObject({ reason: expect.any(LogUnavailable) as object });
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
});

test('a database that is slow as a whole is given up: rows are not tried one after the other for ever', async () => {
  const results = await insertAll(Array.from({ length: 64 }, () => '60'));
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(64);
  expect(flushes.filter((rows) => rows === 0).length).toBeLessThan(20);
}, 60_000);

test('ends are as large as the payloads that they move', async () => {
  const payload = JSON.stringify('x'.repeat(256 * 1024 - 2));
  const begun = await Promise.all(
    Array.from({ length: 40 }, () => log.insert(member, transaction({ branches: [branch('a', { payload })] }), HASH)),
  );
  const before = log.counts.flushes;
  await Promise.all(begun.map(({ held }) => log.save(held, ended(held.tx), [])));
  // 10 MiB in flushes of at most 4.
  expect(log.counts.flushes - before).toBeGreaterThanOrEqual(3);
});
