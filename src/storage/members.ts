/** Members and their leases, by the clock of the database, and taking over what dead ones own. */
import { randomUUID } from 'node:crypto';
import { LogOutcomeUnknown, MemberDead } from '../engine/ports.js';
import type { Held, Member } from '../engine/ports.js';
import type { Database } from './database.js';
import { rowsOf, toHeld, unfinished } from './rows.js';
import type { TransactionRow } from './rows.js';

const NOW_MS = '(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now';
const MANY = `${rowsOf(unfinished('gid = ANY($1) AND owner = $2'))} ORDER BY r.began_at, gid`;

/**
 * The member $1 while it is not dead and it is not later than $2, its row locked against being declared dead: it
 * may become the owner of something. A statement that was on its way for too long finds nobody, since whoever sent
 * it no longer looks for what it did.
 */
export const LIVING = `
  SELECT id FROM tercet.member WHERE id = $1 AND NOT dead AND now() < to_timestamp($2::float8 / 1000.0) FOR KEY SHARE`;

/** FOR UPDATE waits for every begin that this member has under way, and none comes after it. */
const BURY = `
  WITH expired AS (
    SELECT id FROM tercet.member WHERE NOT dead AND until < now() AND id <> $1 FOR UPDATE SKIP LOCKED
  )
  UPDATE tercet.member m SET dead = true FROM expired WHERE m.id = expired.id`;

const LEAVE = `
  WITH leaving AS (SELECT id FROM tercet.member WHERE id = $1 FOR UPDATE)
  UPDATE tercet.member m SET dead = true FROM leaving WHERE m.id = leaving.id`;

/** One dead member after the other: an order over all of them would make the planner read what living ones own. */
const TAKE_OVER = `
  WITH living AS (${LIVING}), orphaned AS (
    SELECT o.gid FROM tercet.member m CROSS JOIN LATERAL (
      SELECT gid FROM tercet.transaction WHERE owner = m.id
       ORDER BY began_at LIMIT $3 FOR UPDATE SKIP LOCKED
    ) o WHERE m.dead LIMIT $3
  )
  UPDATE tercet.transaction t SET owner = living.id, epoch = epoch + 1, version = version + 1
    FROM orphaned, living WHERE t.gid = orphaned.gid
  RETURNING t.gid`;

/** What another node is taking at this moment is still unfinished here: its member stays until the next time. */
const FORGET = `
  DELETE FROM tercet.member m
   WHERE dead AND NOT EXISTS (SELECT FROM tercet.transaction t WHERE t.owner = m.id)`;

export class Members {
  /**
   * What to add to this machine's monotonic clock to get the database's, as of the last renewal; before the first, as
   * this machine has it.
   */
  clockOffsetMs = Date.now() - performance.now();

  constructor(
    private readonly database: Database,
    private readonly leaseMs: number,
  ) {}

  /** When, by the clock of the database, a statement that is sent now has been on its way for too long: ms. */
  get notAfter(): number {
    return performance.now() + this.clockOffsetMs + this.leaseMs;
  }

  async join(node: string, leaseMs: number): Promise<Member> {
    const member = { id: `${node}/${randomUUID()}`, node };
    await this.timed(
      `INSERT INTO tercet.member (id, node, until)
       SELECT $1, $2, now() + $3 * interval '1 ms' FROM tercet.enter_work() RETURNING ${NOW_MS}`,
      [member.id, node, leaseMs],
    );
    return member;
  }

  async renew(member: Member, leaseMs: number): Promise<boolean> {
    return this.timed(
      `UPDATE tercet.member SET until = now() + $2 * interval '1 ms' WHERE id = $1 AND NOT dead AND NOT evicted
       RETURNING ${NOW_MS}`,
      [member.id, leaseMs],
    );
  }

  async leave(member: Member): Promise<void> {
    await this.database.write({ text: LEAVE, values: [member.id] });
  }

  async owned(member: Member): Promise<ReadonlyMap<string, number>> {
    const rows = await this.database.read<{ gid: string; version: number }>(
      `SELECT gid, version FROM tercet.transaction WHERE owner = $1 ORDER BY began_at`,
      [member.id],
    );
    return new Map(rows.map(({ gid, version }) => [gid, version]));
  }

  async takeOver(member: Member, limit: number): Promise<Held[]> {
    let members = await this.all();
    if (members.some(({ id, dead, expired }) => !dead && expired && id !== member.id)) {
      await this.database.write({ text: BURY, values: [member.id] });
      members = await this.all();
    }
    if (!members.some(({ id, dead }) => id === member.id && !dead)) throw new MemberDead(`${member.id} is dead`);
    if (!members.some(({ dead }) => dead)) return [];
    const values = [member.id, this.notAfter, limit];
    const taken = await this.database.write<{ gid: string }>({ text: TAKE_OVER, values });
    if (taken.length > 0) return this.taken(member, taken);
    await this.database.write({ text: FORGET, values: [] });
    return [];
  }

  /** Read by a new statement: it sees every branch that was registered before the rows were locked. */
  private async taken(member: Member, rows: { gid: string }[]): Promise<Held[]> {
    try {
      return (await this.database.read<TransactionRow>(MANY, [rows.map(({ gid }) => gid), member.id])).map(toHeld);
    } catch (error) {
      throw new LogOutcomeUnknown(`taken over, but not read: ${String(error)}`, { cause: error });
    }
  }

  private all(): Promise<{ id: string; dead: boolean; expired: boolean }[]> {
    return this.database.read('SELECT id, dead, until < now() AS expired FROM tercet.member');
  }

  /** Runs a statement that says what time it is, and notes how far the database's clock is from ours. */
  private async timed(text: string, values: unknown[]): Promise<boolean> {
    const sentAt = performance.now();
    const [row] = await this.database.write<{ now: number }>({ text, values }, 'lease');
    if (!row) return false;
    const halfWayMs = (performance.now() - sentAt) / 2;
    this.clockOffsetMs = row.now - (performance.now() - halfWayMs);
    return true;
  }
}
