/** Single contents of releases, in force or not. */
import { hash } from 'node:crypto';
import type { Database } from '../storage/database.js';
import type { Content } from './environment-state.js';
import { corrupt } from './state-reader.js';

const CONTENT = `
  SELECT number AS release, content AS text, checksum FROM tercet.config_content
   WHERE environment = $1 AND number = $2 AND namespace = $3`;
const AGE = `
  SELECT (extract(epoch FROM clock_timestamp() - coalesce(in_force_at, released_at)) * 1000)::float8 AS ms
    FROM tercet.config_release WHERE environment = $1 AND number = $2`;

export class ReleaseContents {
  constructor(private readonly database: Database) {}

  /** Null: the release has none of the namespace. @throws LogUnavailable, TercetError TERCET_CONFIG_CORRUPT */
  async content(environment: string, release: number, namespace: string): Promise<Content | null> {
    const [row] = await this.database.read<Content & Record<string, unknown>>(CONTENT, [
      environment,
      release,
      namespace,
    ]);
    if (row && hash('sha256', row.text, 'hex') !== row.checksum) throw corrupt(environment, namespace, release);
    return row ?? null;
  }

  /** For how long it could have been taken, ms, by the database. @throws LogUnavailable */
  async ageMs(environment: string, release: number): Promise<number | null> {
    const [row] = await this.database.read<{ ms: number }>(AGE, [environment, release]);
    return row?.ms ?? null;
  }
}
