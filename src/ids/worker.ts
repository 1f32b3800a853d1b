/**
 * Worker ids of snowflakes, and the time that each of them may use.
 *
 * That no id repeats rests on no clock: the row of a worker id says up to which ms somebody may have used it. Whoever
 * has the worker id reserves what follows by one statement that moves this on, and mints timestamps of its own
 * reservations alone. No two statements can reserve the same ms. The lease only sees to it that two seldom want to.
 */
import { randomUUID } from 'node:crypto';
import { rowsOf, sqlState } from '../platform/executor.js';
import type { Executor } from '../platform/executor.js';
import { WORKERS } from './layout.js';
import type { IdTables } from './schema.js';

/** A worker id and the ms that whoever got this, and nobody else, may use with it: both ends included. */
export interface Reservation {
  readonly worker: number;
  readonly from: number;
  readonly until: number;
  /** What to add to this machine's clock: 0, unless it is too far from that of the database. */
  readonly correctionMs: number;
}

/** Where worker ids come from. */
export interface WorkerIds {
  /** Whether there is another one when the clock was set back. */
  readonly isReplaceable: boolean;
  /** A worker id, another one than before, and its first reservation. @param now by this machine's clock */
  take(now: number): Promise<Reservation>;
  /**
   * What comes after the last reservation, or that one, if it still reaches far enough; null: others have the worker id by
   * now.
   */
  prolong(last: Reservation, now: number): Promise<Reservation | null>;
  /** Others may take it. */
  leave(): Promise<void>;
}

/** Of each reservation. */
export const RESERVED_MS = 30_000;
/** A clock that is farther from the database's is not believed. */
const TRUST_MS = 5000;
/** No reservation goes farther beyond the clock of the database: whatever clocks show, they use up no year of a worker id. */
const LEAD_MS = TRUST_MS + 3 * RESERVED_MS;
/** Of several that take the same one, one gets it; the others try the next. */
const MAX_COLLISIONS = 20;
const UNIQUE_VIOLATION = '23505';

/** Given by the user, who promises that no other process uses it, and that clocks do not go back over a restart. */
export function givenWorker(worker: number): WorkerIds {
  if (!Number.isInteger(worker) || worker < 0 || worker >= WORKERS) {
    throw new RangeError(`workerId is ${worker}; it must be a whole number from 0 to ${WORKERS - 1}`);
  }
  // From the next ms on: who had it before may have used up this one.
  const take = (now: number): Reservation => ({ worker, from: now + 1, until: Infinity, correctionMs: 0 });
  return {
    isReplaceable: false,
    take: async (now) => take(now),
    prolong: async (_last, now) => take(now),
    leave: async () => undefined,
  };
}

interface Reserved {
  readonly used: string | null;
  readonly before: string;
  readonly correction: string;
}

/** Leased by a row of the member table. */
export class LeasedWorkers implements WorkerIds {
  readonly isReplaceable = true;
  /** Of a member that nobody else keeps alive: each reservation does. */
  private readonly ownMember = randomUUID();
  private readonly lease: string;
  private readonly reserve: string;

  /** @param memberOf the living member of the coordinator; null: one is made here. Throws while there is none */
  constructor(
    private readonly database: Executor,
    private readonly tables: Pick<IdTables, 'worker' | 'member'>,
    private readonly memberOf: (() => string) | null = null,
  ) {
    const { worker, member } = tables;
    this.lease = `
      WITH me AS (SELECT id FROM ${member} WHERE id = $1 AND NOT dead FOR NO KEY UPDATE),
      free AS (
        SELECT id FROM ${worker} w
         WHERE NOT EXISTS (SELECT FROM ${member} m WHERE m.worker_id = w.id AND NOT m.dead)
         ORDER BY used_until, id LIMIT 1 FOR UPDATE SKIP LOCKED
      ),
      leased AS (
        UPDATE ${member} m SET worker_id = free.id FROM me, free WHERE m.id = me.id RETURNING m.worker_id
      )
      SELECT (SELECT worker_id FROM leased) AS worker, EXISTS (SELECT FROM me) AS "isMember"`;
    const renewed = `, renewed AS (
        UPDATE ${member} SET until = now() + $4 * interval '1 ms' WHERE id = $2 AND EXISTS (SELECT FROM held)
      )`;
    // A crash of the server must not forget it, whatever a session's default is.
    this.reserve = `
      WITH clock AS (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now),
      held AS (
        SELECT w.id, w.used_until, now, CASE WHEN abs($3::bigint - now) <= ${TRUST_MS} THEN $3 ELSE now END AS at
          FROM ${worker} w JOIN ${member} m ON m.worker_id = w.id, clock
         WHERE w.id = $1 AND m.id = $2 AND NOT m.dead${memberOf ? '' : ' AND m.until > now()'}
      ),
      used AS (
        UPDATE ${worker} w SET used_until = greatest(w.used_until, held.at) + $4::bigint FROM held
         WHERE w.id = held.id AND greatest(w.used_until, held.at) + $4 <= held.now + ${LEAD_MS}
           AND NOT (w.used_until = $5 AND w.used_until >= held.at + $4)
        RETURNING w.used_until
      )${memberOf ? '' : renewed}
      SELECT used.used_until::text AS used, held.used_until::text AS before, (at - $3)::text AS correction,
             set_config('synchronous_commit', 'on', true)
        FROM held LEFT JOIN used ON true`;
  }

  async take(now: number): Promise<Reservation> {
    for (let collisions = 0; ; collisions += 1) {
      try {
        const worker = await this.leased(this.memberOf?.() ?? (await this.join()));
        const reservation = await this.prolong({ worker, from: 0, until: -1, correctionMs: 0 }, now);
        if (reservation) return reservation;
      } catch (error) {
        if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      }
      if (collisions === MAX_COLLISIONS) throw new Error('others were faster to take each worker id that was free');
    }
  }

  async prolong(last: Reservation, now: number): Promise<Reservation | null> {
    const { worker } = last;
    const member = this.memberOf?.() ?? this.ownMember;
    const values = [worker, member, now, RESERVED_MS, last.until];
    const [row] = await rowsOf<Reserved>(this.database, this.reserve, values);
    if (!row) return null;
    const correctionMs = Number(row.correction);
    if (row.used !== null) {
      const until = Number(row.used);
      return { worker, from: until - RESERVED_MS + 1, until, correctionMs };
    }
    if (Number(row.before) === last.until) return { ...last, correctionMs };
    const before = new Date(Number(row.before)).toISOString();
    throw new Error(`worker id ${worker} may have been used until ${before}, far beyond the clock of the database`);
  }

  async leave(): Promise<void> {
    // That of the coordinator ends with its lease.
    if (this.memberOf) return;
    await this.database.query(`DELETE FROM ${this.tables.member} WHERE id = $1`, [this.ownMember]);
  }

  private async leased(member: string): Promise<number> {
    const [row] = await rowsOf<{ worker: number | null; isMember: boolean }>(this.database, this.lease, [member]);
    if (typeof row?.worker === 'number') return row.worker;
    throw new Error(row?.isMember ? `all ${WORKERS} worker ids are in use` : 'the lease of this process has ended');
  }

  /** Whoever let the lease run out is forgotten; its worker id goes to the end of the row. */
  private async join(): Promise<string> {
    const { member } = this.tables;
    await this.database.query(
      `DELETE FROM ${member} WHERE id IN (SELECT id FROM ${member} WHERE until < now() FOR UPDATE SKIP LOCKED)`,
      [],
    );
    await this.database.query(
      `INSERT INTO ${member} (id, until) VALUES ($1, now() + $2 * interval '1 ms')
       ON CONFLICT (id) DO UPDATE SET until = excluded.until`,
      [this.ownMember, RESERVED_MS],
    );
    return this.ownMember;
  }
}
