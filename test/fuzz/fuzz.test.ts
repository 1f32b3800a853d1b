/** A short run of the fuzzer in every test run; `npm run fuzz` sends forty times as many requests. */
import { fileURLToPath } from 'node:url';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { fuzz } from './fuzz.js';

/** Fixed, so that the requests of tomorrow are those of today. */
const SEED = 20_261_121;
const REQUESTS = 500;

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(() => database.drop());

test(`each of ${REQUESTS} requests, right and wrong, is answered as the document says, and each call went well once`, async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const result = await fuzz({ requests: REQUESTS, seed: SEED, root, databaseUrl: database.url });
  expect(result.failures).toEqual([]);
  expect(result.unproven).toEqual([]);
  expect(result.requests).toBeGreaterThanOrEqual(REQUESTS);
}, 240_000);
