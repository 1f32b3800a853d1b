/** The transaction log in PostgreSQL. */
import { decidedBy } from '../domain/machine.js';
import { isEnded, takesBranches } from '../domain/transaction.js';
import type { Branch, Transaction } from '../domain/transaction.js';
import { EpochOver, LogOutcomeUnknown, MemberDead } from '../engine/ports.js';
import type { Held, ListFilter, Logger, Member, TimelineEvent, TransactionLog } from '../engine/ports.js';
import { TercetError } from '../protocol/errors.js';
import { LIMITS } from '../protocol/words.js';
import type { Decision, Reason } from '../protocol/words.js';
import { Database, isDataError } from './database.js';
import type { DatabaseSettings, Lane, PoolUse } from './database.js';
import { flush } from './flush.js';
import { LATER_EVENTS } from './flush-statement.js';
import { listTransactions } from './list.js';
import { LIVING, Members } from './members.js';
import { OUTBOX_ROW, outboxRows } from './outbox-rows.js';
import { finished, rowsOf, toHeld, unfinished } from './rows.js';
import type { TransactionRow } from './rows.js';
import { countUnfinished, historyAhead } from './unfinished.js';
import type { Unfinished } from './unfinished.js';
import { Writer } from './writer.js';
import { beginOf, saveOf, TOLD_IN_ROW } from './writes.js';

const HASH = ', (SELECT content_hash FROM tercet.gid g WHERE g.gid = r.gid) AS content_hash';
/** Asked first, since it is nearly always enough: history is a table for each day. */
const ONE_UNFINISHED = rowsOf(unfinished('gid = $1'), HASH);
/**
 * Both as of one moment: one that ends meanwhile is found in one of them. Prepared, for to plan it over all partitions
 * takes several times as long as to run it.
 */
const ONE = { name: 'one', text: rowsOf(`${unfinished('gid = $1')} UNION ALL ${finished('gid = $1')}`, HASH) };

const TIMELINE = `
  SELECT begun_by, (extract(epoch FROM began_at) * 1000)::float8 AS began_at, events FROM (
    SELECT begun_by, began_at,
           '[' || concat_ws(',', t.events, ${LATER_EVENTS}) || ']' AS events
      FROM tercet.transaction t WHERE gid = $1
     UNION ALL
    SELECT begun_by, began_at, events FROM tercet.history WHERE gid = $1
  ) both_of_them`;

/**
 * The gid of a transaction that has left history, where maintenance has not come to it yet. Whatever has the gid now
 * is seen as of one moment, so nothing that is there loses it.
 */
const RELEASE = `
  DELETE FROM tercet.gid WHERE gid = $1 AND NOT EXISTS (SELECT FROM tercet.transaction WHERE gid = $1)
     AND NOT EXISTS (SELECT FROM tercet.history WHERE gid = $1)`;

const DECIDE = `
  WITH living AS (${LIVING}), decided AS (
    UPDATE tercet.transaction t
       SET owner = living.id, epoch = epoch + 1, version = version + 1, status = $4, decision = $5, reason = $6,
           decided_at = to_timestamp($7::float8 / 1000.0),
           -- What a person parked stays so. Not ->>: it fails where a service that is quoted said half a character.
           parked = CASE WHEN strpos(parked, '"branchId":null') > 0 THEN parked END,
           events = CASE WHEN version <= ${TOLD_IN_ROW} THEN concat_ws(',', events, $8::text) ELSE events END
      FROM living WHERE gid = $3 AND status = 'open'
    RETURNING gid, version, parked
  ), queued AS (
    INSERT INTO tercet.outbox (bucket, message_id, topic, key, payload, headers)
    SELECT bucket, message_id, topic, key, payload, headers FROM json_to_recordset($9) AS row(${OUTBOX_ROW})
     WHERE EXISTS (SELECT FROM decided WHERE parked IS NULL)
  ), noted AS (
    INSERT INTO tercet.timeline (gid, version, events)
    SELECT gid, version, $8 FROM decided WHERE version > ${TOLD_IN_ROW + 1}
  )
  SELECT gid FROM decided`;

const TAKE = `
  WITH living AS (${LIVING})
  UPDATE tercet.transaction t SET owner = living.id, epoch = epoch + 1, version = version + 1
    FROM living WHERE gid = $3
  RETURNING gid`;

const REGISTER = `
  WITH added AS (
    INSERT INTO tercet.branch (gid, branch_id, position, component, payload)
    SELECT $1, $2, count(*), $3, $4 FROM tercet.branch WHERE gid = $1
  )
  UPDATE tercet.transaction SET version = version + 1 WHERE gid = $1`;

type Registered = 'registered' | 'exists' | 'conflict' | 'closed' | 'full';

export class PostgresLog implements TransactionLog {
  private readonly database: Database;
  private readonly members: Members;
  private readonly writer: Writer;

  /**
   * @param flushed told of each group commit: its begins and saves, 0 if it failed, and how many ms it took
   * @param queued told after each commit that left something in the outbox
   */
  constructor(
    settings: DatabaseSettings,
    logger: Logger,
    flushed: (rows: number, durationMs: number) => void = () => undefined,
    private readonly queued: () => void = () => undefined,
  ) {
    this.database = new Database(settings, logger);
    this.members = new Members(this.database, settings.leaseMs);
    this.writer = new Writer(async (batch, lane) => {
      const written = await flush(this.database, lane, this.members.notAfter, batch);
      if (batch.some(({ outbox }) => outbox !== '')) this.queued();
      return written;
    }, flushed);
  }

  /** What to add to this machine's monotonic clock to get the database's, as of the last renewal. */
  get clockOffsetMs(): number {
    return this.members.clockOffsetMs;
  }

  /** What the connections do at this moment, by lane. */
  get connections(): Readonly<Record<Lane, PoolUse>> {
    return this.database.use;
  }

  /** Flushes committed so far, and the begins and saves in them. */
  get counts(): Readonly<{ flushes: number; writes: number }> {
    return this.writer.counts;
  }

  async insert(
    member: Member,
    tx: Transaction,
    contentHash: string,
    events: readonly TimelineEvent[] = [],
    epoch = 0,
  ): ReturnType<TransactionLog['insert']> {
    const written = await this.writer.write(beginOf(member, tx, contentHash, events, epoch)).catch((error: unknown) => {
      throw isDataError(error) ? unstorable(tx.gid, error) : error;
    });
    if (written === 'dead') throw dead(member);
    if (written === 'over') throw new EpochOver(`epoch ${epoch} of the configuration is over`);
    if (written === 'written') {
      return { inserted: true, held: { tx, owner: member.id, epoch: 1, version: 1 }, sameContent: true };
    }
    const row = await this.row(tx.gid);
    if (!row) {
      await this.database.write({ text: RELEASE, values: [tx.gid] });
      return this.insert(member, tx, contentHash, events, epoch);
    }
    return { inserted: false, held: toHeld(row), sameContent: row.content_hash === contentHash };
  }

  async save(held: Held, tx: Transaction, events: readonly TimelineEvent[], canWait = false): Promise<Held | 'lost'> {
    const written = await this.writer.write(saveOf(held, tx, events), canWait);
    return written === 'written' ? { ...held, tx, version: held.version + 1 } : 'lost';
  }

  async decide(
    member: Member,
    seen: Transaction,
    decision: Decision,
    reason: Reason | null,
    at: number,
    events: readonly TimelineEvent[],
  ) {
    const status = decision === 'commit' ? 'committing' : 'aborting';
    const reasonText = reason === null ? null : JSON.stringify(reason);
    const { gid } = seen;
    const owner = [member.id, this.members.notAfter];
    const open = { ...seen, parked: null };
    const outbox = seen.status === 'open' ? outboxRows(open, decidedBy(open, decision, reason, at)) : '';
    const values = [...owner, gid, status, decision, reasonText, at, JSON.stringify(events), `[${outbox}]`];
    const decided = (await this.database.write({ text: DECIDE, values })).length > 0;
    if (decided && outbox !== '') this.queued();
    // Read by a new statement: it sees every branch that was registered before the decision, however late.
    const held = await this.afterWrite(gid);
    if (held && !decided && held.tx.status === 'open') throw dead(member);
    return held && { decided, held };
  }

  async take(member: Member, gid: string): Promise<Held | null> {
    const values = [member.id, this.members.notAfter, gid];
    if ((await this.database.write({ text: TAKE, values })).length > 0) return this.afterWrite(gid);
    const held = await this.get(gid);
    if (held === null || isEnded(held.tx)) return null;
    throw dead(member);
  }

  async register(gid: string, branch: Branch): ReturnType<TransactionLog['register']> {
    const result = await this.database.inTransaction<Registered | null>(async (client) => {
      const locked = await client.query<Pick<Transaction, 'status' | 'drive' | 'mode'>>(
        'SELECT status, drive, mode FROM tercet.transaction WHERE gid = $1 FOR UPDATE',
        [gid],
      );
      const tx = locked.rows[0];
      if (!tx) return null;
      const { branchId, component, payload } = branch;
      const found = await client.query<{ count: number; same: boolean | null }>(
        `SELECT count(*)::int, bool_or(component = $3 AND payload = $4) FILTER (WHERE branch_id = $2) AS same
           FROM tercet.branch WHERE gid = $1`,
        [gid, branchId, component, payload],
      );
      const { count = 0, same = null } = found.rows[0] ?? {};
      if (takesBranches(tx) && same !== null) return same ? 'exists' : 'conflict';
      if (!takesBranches(tx) || tx.status !== 'open') return 'closed';
      if (count >= LIMITS.branches) return 'full';
      await client.query(REGISTER, [gid, branchId, component, payload]);
      return 'registered';
    });
    if (result === null) {
      const ended = await this.get(gid);
      return ended && isEnded(ended.tx) ? { result: registeredBefore(ended.tx, branch), held: ended } : null;
    }
    const held = await this.afterWrite(gid);
    return held && { result, held };
  }

  async get(gid: string): Promise<Held | null> {
    const row = await this.row(gid);
    return row ? toHeld(row) : null;
  }

  /** How much is unfinished, by status: of those that have any. */
  unfinished(): Promise<Unfinished[]> {
    return countUnfinished(this.database);
  }

  /** How far ahead history has partitions, in ms. */
  historyAheadMs(): Promise<number> {
    return historyAhead(this.database);
  }

  list(filter: ListFilter): Promise<{ items: Held[]; next: string | null }> {
    return listTransactions(this.database, filter);
  }

  async timeline(gid: string): Promise<TimelineEvent[] | null> {
    const [row] = await this.database.read<{ events: string | null; begun_by: string; began_at: number }>(TIMELINE, [
      gid,
    ]);
    if (!row) return null;
    const begun: TimelineEvent = { at: row.began_at, node: row.begun_by, kind: 'begun' };
    return [begun, ...(JSON.parse(row.events ?? '[]') as TimelineEvent[][]).flat()];
  }

  async contentHash(gid: string): Promise<string | null> {
    return (await this.row(gid))?.content_hash ?? null;
  }

  join(node: string, leaseMs: number): Promise<Member> {
    return this.members.join(node, leaseMs);
  }

  renew(member: Member, leaseMs: number): Promise<boolean> {
    return this.members.renew(member, leaseMs);
  }

  leave(member: Member): Promise<void> {
    return this.members.leave(member);
  }

  takeOver(member: Member, limit: number): Promise<Held[]> {
    return this.members.takeOver(member, limit);
  }

  owned(member: Member): Promise<ReadonlyMap<string, number>> {
    return this.members.owned(member);
  }

  async close(): Promise<void> {
    await this.database.close();
  }

  private async row(gid: string): Promise<(TransactionRow & { content_hash: string }) | undefined> {
    for (const statement of [ONE_UNFINISHED, ONE]) {
      const [row] = await this.database.read<TransactionRow & { content_hash: string }>(statement, [gid]);
      if (row) return row;
    }
    return undefined;
  }

  /** The write is durable; if it cannot be read now, what it led to is not known. */
  private async afterWrite(gid: string): Promise<Held | null> {
    try {
      return await this.get(gid);
    } catch (error) {
      throw new LogOutcomeUnknown(`written, but not read again: ${String(error)}`, { cause: error });
    }
  }
}

function dead(member: Member): MemberDead {
  return new MemberDead(`member ${member.id} was declared dead, or its statement came too late`);
}

/** What a branch is to a transaction that has ended. */
function registeredBefore(tx: Transaction, branch: Branch): 'exists' | 'conflict' | 'closed' {
  const there = tx.branches.find(({ branchId }) => branchId === branch.branchId);
  if (!takesBranches(tx) || !there) return 'closed';
  return there.component === branch.component && there.payload === branch.payload ? 'exists' : 'conflict';
}

function unstorable(gid: string, error: Error): TercetError {
  const detail = `transaction '${gid}' cannot be stored as it is: ${error.message}`;
  return new TercetError('TERCET_REQUEST_INVALID', detail, undefined, { cause: error });
}
