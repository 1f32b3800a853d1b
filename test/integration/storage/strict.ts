/** Strict releases as rows, for tests of what the database decides. */
import type pg from 'pg';

export interface Strict {
  readonly number: number;
  readonly rollout: number;
}

/** Begins a strict release of tercet/coordinator. */
export async function prepare(
  admin: pg.Pool,
  { deadlineMs = 30_000, onSilent = 'abort' }: { deadlineMs?: number; onSilent?: 'abort' | 'evict' } = {},
): Promise<Strict> {
  const { rows } = await admin.query<Strict>(
    `WITH raised AS (
       UPDATE tercet.config_environment SET last_release = last_release + 1 WHERE name = 'tercet' RETURNING last_release
     ), released AS (
       INSERT INTO tercet.config_release (environment, number, mode, checksum, reason, released_by)
       SELECT 'tercet', last_release, 'strict', '', 'a test', 'ann' FROM raised RETURNING number
     ), filled AS (
       INSERT INTO tercet.config_content (environment, number, namespace, content, checksum)
       SELECT 'tercet', number, 'coordinator', '{}', '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
         FROM released
     )
     INSERT INTO tercet.config_rollout (environment, number, mode, state, deadline_at, on_silent, started_by)
     SELECT 'tercet', number, 'strict', 'preparing', now() + $1 * interval '1 ms', $2, 'ann' FROM released
     RETURNING number, id::int AS rollout`,
    [deadlineMs, onSilent],
  );
  const [strict] = rows;
  if (!strict) throw new Error('there was no row');
  return strict;
}

export async function stateOf(
  admin: pg.Pool,
  { rollout }: Strict,
): Promise<{ state: string; why: string | null; epoch: number | null }> {
  const { rows } = await admin.query<{ state: string; why: string | null; epoch: number | null }>(
    'SELECT state, why, epoch FROM tercet.config_rollout WHERE id = $1',
    [rollout],
  );
  const [row] = rows;
  if (!row) throw new Error('there was no row');
  return row;
}
