/** Messages that the broker refused for good, where the policy is to skip them: looked at, put back, or dropped. */
import { rowsOf } from '../platform/executor.js';
import type { Executor } from '../platform/executor.js';
import { OUTBOX_PREFIX, tablesOf } from './schema.js';

export interface DeadLetter {
  /** Digits: of the row, by which it is put back or dropped. */
  readonly id: string;
  readonly messageId: string;
  readonly topic: string;
  readonly key: string | null;
  /** JSON text. */
  readonly payload: string;
  /** JSON text of an object of strings. */
  readonly headers: string;
  /** What the broker said. */
  readonly error: string;
  readonly createdAt: Date;
  readonly failedAt: Date;
}

const COLUMNS = 'bucket, id, message_id, topic, key, payload, headers, created_at';

export class DeadLetters {
  private readonly tables;

  /** @param prefix begins the names of the tables; default `tercet_outbox` */
  constructor(
    private readonly executor: Executor,
    prefix = OUTBOX_PREFIX,
  ) {
    this.tables = tablesOf(prefix);
  }

  /** The oldest first, in the order of their ids. @param after the last id of the page before */
  list({ limit = 50, after = '0' } = {}): Promise<DeadLetter[]> {
    return rowsOf<DeadLetter>(
      this.executor,
      `SELECT d.id::text, message_id AS "messageId", topic, key, payload, headers, error,
              created_at AS "createdAt", failed_at AS "failedAt"
         FROM ${this.tables.dead} d WHERE d.id > $1 ORDER BY d.id LIMIT $2`,
      [after, limit],
    );
  }

  /**
   * To be sent again, with the same `ce_id`.
   *
   * @param where `end`: behind everything that waits now; `place`: before everything that was written after it and is
   *   not sent yet
   * @returns how many of the ids there were
   */
  putBack(ids: readonly string[], where: 'end' | 'place'): Promise<number> {
    const { messages, dead } = this.tables;
    const columns = where === 'place' ? COLUMNS : COLUMNS.replace(' id,', '');
    return this.counted(
      `WITH gone AS (DELETE FROM ${dead} WHERE id = ANY ($1::bigint[]) RETURNING *), back AS (
         INSERT INTO ${messages} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM gone ORDER BY gone.id RETURNING 1
       )`,
      ids,
    );
  }

  /** For ever. @returns how many of the ids there were */
  drop(ids: readonly string[]): Promise<number> {
    return this.counted(
      `WITH back AS (DELETE FROM ${this.tables.dead} WHERE id = ANY ($1::bigint[]) RETURNING 1)`,
      ids,
    );
  }

  /** TypeORM answers a SELECT in the same form as pg, and nothing else. */
  private async counted(statement: string, ids: readonly string[]): Promise<number> {
    const [row] = await rowsOf<{ count: number }>(
      this.executor,
      `${statement} SELECT count(*)::int AS count FROM back`,
      [ids],
    );
    return row?.count ?? 0;
  }
}
