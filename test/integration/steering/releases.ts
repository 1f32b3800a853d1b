/** Releases of tercet/coordinator, put into the database as the configuration center puts them. */
import { hash } from 'node:crypto';
import { canonicalJson } from '../../../src/config/canonical.js';
import type { Json } from '../../../src/protocol/words.js';

export type Sql = (text: string, values?: unknown[]) => Promise<unknown[]>;

/** A new release and its content, of nothing that anybody goes by yet. */
const WRITTEN = `
  WITH env AS (
    UPDATE tercet.config_environment SET last_release = last_release + 1, revision = revision + 1
     WHERE name = 'tercet' RETURNING last_release AS number
  ), release AS (
    INSERT INTO tercet.config_release (environment, number, mode, checksum, reason, released_by)
    SELECT 'tercet', number, $3, 'x', 'test', 'test' FROM env
  ), content AS (
    INSERT INTO tercet.config_content (environment, number, namespace, content, checksum)
    SELECT 'tercet', number, 'coordinator', $1, $2 FROM env
  )`;
const TOLD = `SELECT number, pg_notify('tercet_config', 'tercet') FROM env`;

const ALL = `${WRITTEN}, pointer AS (
    UPDATE tercet.config_namespace SET release = number FROM env WHERE environment = 'tercet' AND name = 'coordinator'
  ) ${TOLD}`;
const ROLLOUT = `${WRITTEN}, rollout AS (
    INSERT INTO tercet.config_rollout (environment, number, mode, state, labels, percent, deadline_at, started_by)
    SELECT 'tercet', number, $3, $4, $5, 100, now() + $6 * interval '1 ms', 'test' FROM env
  ) ${TOLD}`;

const stored = (content: Json): [string, string] => {
  const text = canonicalJson(content);
  return [text, hash('sha256', text, 'hex')];
};
const numberOf = ([row]: unknown[]): number => (row as { number: number }).number;

/** In force for all. @returns its number */
export async function release(sql: Sql, content: Json): Promise<number> {
  return numberOf(await sql(ALL, [...stored(content), 'all']));
}

/** For those with these labels. @returns its number */
export async function gray(sql: Sql, content: Json, labels: Record<string, string>): Promise<number> {
  return numberOf(await sql(ROLLOUT, [...stored(content), 'gray', 'running', JSON.stringify(labels), null]));
}

/** Once every coordinator is ready for it. @returns its number */
export async function strict(sql: Sql, content: Json, deadlineMs = 20_000): Promise<number> {
  return numberOf(await sql(ROLLOUT, [...stored(content), 'strict', 'preparing', '{}', deadlineMs]));
}
