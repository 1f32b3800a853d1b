/** Which locks a person took from their holders. */
import type { Logger } from '../engine/ports.js';
import { Database } from './database.js';
import type { DatabaseSettings } from './database.js';

/** Older ones of a lock are kept, and not shown. */
const SHOWN = 20;

export interface LockRelease {
  readonly name: string;
  /** The holder. */
  readonly node: string;
  readonly token: number;
  /** Since when he had it, ms. */
  readonly since: number;
  readonly by: string;
  readonly reason: string;
}

const MS = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;

export class LockReleases {
  private readonly database: Database;

  constructor(settings: DatabaseSettings, logger: Logger) {
    this.database = new Database({ ...settings, connections: 1 }, logger);
  }

  /** @throws LogUnavailable, LogOutcomeUnknown */
  async record({ name, node, token, since, by, reason }: LockRelease): Promise<void> {
    await this.database.write({
      text: `INSERT INTO tercet.lock_release (name, node, token, since, released_by, reason)
             VALUES ($1, $2, $3, $4, $5, $6)`,
      values: [name, node, token, new Date(since), by, reason],
    });
  }

  /** The newest first. @throws LogUnavailable */
  of(name: string): Promise<(LockRelease & { at: number })[]> {
    return this.database.read(
      `SELECT name, node, token::float8 AS token, ${MS('since')} AS since, released_by AS by, reason,
              ${MS('released_at')} AS at
         FROM tercet.lock_release WHERE name = $1 ORDER BY id DESC LIMIT ${SHOWN}`,
      [name],
    );
  }

  close(): Promise<void> {
    return this.database.close();
  }
}
