import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
const logger = { info() {}, warn() {}, error() {} };
test('probe', async () => {
  const db = await createDatabase();
  await prepareDatabase(db.url, 'auto', logger);
  await prepareDatabase(db.url, 'off', logger);
  await db.drop();
});
