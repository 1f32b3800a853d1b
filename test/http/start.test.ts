/** A node whose start fails leaves nothing behind: whoever started it may try again. */
import { jest } from '@jest/globals';
import { NestApplication } from '@nestjs/core';
import pg from 'pg';
import { startNode } from '../../src/main.js';
import { readSettings } from '../../src/settings.js';
import { PostgresComponents } from '../../src/storage/components.js';
import { prepareDatabase } from '../../src/storage/data-source.js';
import { createDatabase } from '../support/postgres.js';
import { HERE } from './node.js';

const logger = { info() {}, warn() {}, error() {} };

test.each([
  ['component', PostgresComponents.prototype, 'stop'],
  ['member', NestApplication.prototype, 'close'],
] as const)('when the table %s cannot be read, what reads it is closed again', async (table, owner, method) => {
  const database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  const admin = new pg.Client(database.url);
  await admin.connect();
  await admin.query(`ALTER TABLE tercet.${table} RENAME TO other`);
  const closed = jest.spyOn(owner as unknown as Record<typeof method, () => Promise<void>>, method);
  const settings = readSettings({ DATABASE_URL: database.url, ...HERE });
  await expect(startNode(settings, logger)).rejects.toThrow(/tercet\.\w+/);
  expect(closed).toHaveBeenCalledTimes(1);
  closed.mockRestore();
  await admin.end();
  await database.drop();
});
