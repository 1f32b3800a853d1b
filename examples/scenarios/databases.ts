/** PostgreSQL for a scenario: a server that is thrown away, and databases on it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbedded } from '../../src/storage/embedded.js';

export type CleanUp = () => Promise<unknown>;

/** The last first, each whatever became of the others. */
export async function runAll(cleanUps: CleanUp[]): Promise<void> {
  const failures: unknown[] = [];
  for (const cleanUp of cleanUps.reverse()) await cleanUp().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, 'not everything was cleaned up');
}

/** An embedded PostgreSQL that is thrown away. @returns its URL, for one who may do everything */
export async function temporaryServer(cleanUps: CleanUp[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tercet-demo-'));
  cleanUps.push(() => rm(folder, { recursive: true, force: true }));
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const server = await startEmbedded(join(folder, 'postgres'), silent, { max_connections: '200' });
  cleanUps.push(() => server.stop());
  return server.url;
}

/** @returns its URL */
export async function createDatabase(serverUrl: string, name: string): Promise<string> {
  await onServer(serverUrl, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

export async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
