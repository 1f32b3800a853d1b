/** The coordinator's database, as the generators of ids ask it: statements of their own, and a connection for them. */
import type { Logger } from '../engine/ports.js';
import type { Executor } from '../platform/executor.js';
import { Database } from './database.js';
import type { DatabaseSettings } from './database.js';

const CONNECTIONS = 2;

export function idDatabase(
  settings: DatabaseSettings,
  logger: Logger,
): { readonly executor: Executor; close(): Promise<void> } {
  const database = new Database({ ...settings, connections: CONNECTIONS }, logger);
  return {
    executor: { query: (text, values = []) => database.write({ text, values }) },
    close: () => database.close(),
  };
}
