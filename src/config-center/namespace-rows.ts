/** Namespaces as they stand in the database. */
import type { ConfigContent, ConfigRule } from '../protocol/config.js';
import type { Database } from '../storage/database.js';
import { corrupt, unknown } from './refusals.js';
import { ENVIRONMENT, NAMESPACES } from './statements.js';
import { verified } from './vault.js';

export interface NamespaceRow {
  environment: string;
  name: string;
  about: string;
  schema: string | null;
  rules: string;
  /** In force. */
  release: number | null;
  draft: string | null;
  draft_base: number | null;
  /** Of the last draft, also where there is none now. */
  draft_revision: number;
  drafted_by: string | null;
  drafted_at: Date | null;
  draft_reason: string | null;
  /** Of the release in force. */
  content: string | null;
  checksum: string | null;
  /** Changes with schema and rules. */
  terms: string;
}

/** By name. @param names null: all @throws TercetError: there is no such environment, or not one of the names */
export async function namespaceRows(
  database: Database,
  environment: string,
  names: readonly string[] | null,
): Promise<NamespaceRow[]> {
  const rows = await database.read<NamespaceRow>(NAMESPACES, [environment, names]);
  const missing = names?.find((name) => !rows.some((row) => row.name === name));
  if (missing !== undefined || rows.length === 0) await lastReleaseOf(database, environment);
  if (missing !== undefined) throw unknown(`namespace '${missing.slice(0, 100)}' in the environment '${environment}'`);
  return rows;
}

export async function namespaceRow(database: Database, environment: string, name: string): Promise<NamespaceRow> {
  const [row] = await namespaceRows(database, environment, [name]);
  if (!row) throw unknown(`namespace '${name.slice(0, 100)}' in the environment '${environment}'`);
  return row;
}

/** The number of its newest release. @throws TercetError: there is no such environment */
export async function lastReleaseOf(database: Database, environment: string): Promise<number> {
  const [row] = await database.read<{ last_release: number }>(ENVIRONMENT, [environment]);
  if (!row) throw unknown(`environment '${environment.slice(0, 100)}'`);
  return row.last_release;
}

/** What is in force, secrets sealed; null: nothing is. @throws TercetError TERCET_CONFIG_CORRUPT */
export function inForce({ environment, name, release, content, checksum }: NamespaceRow): ConfigContent | null {
  if (release === null) return null;
  if (content === null || checksum === null)
    throw corrupt(environment, name, `the content of release ${release} is gone`);
  return verified(environment, name, { content, checksum });
}

/** Secrets sealed; null: there is none. */
export function draftOf({ draft }: NamespaceRow): ConfigContent | null {
  return draft === null ? null : (JSON.parse(draft) as ConfigContent);
}

/** 0: there is no draft. */
export function draftRevision({ draft, draft_revision: revision }: NamespaceRow): number {
  return draft === null ? 0 : revision;
}

export function rulesOf({ rules }: Pick<NamespaceRow, 'rules'>): ConfigRule[] {
  return JSON.parse(rules) as ConfigRule[];
}
