/** The one statement of the hot path: begins and saves of many transactions, their branches and their timelines. */
import type { Transaction } from '../domain/transaction.js';
import type { Held, Member, TimelineEvent } from '../engine/ports.js';
import type { Database, Lane } from './database.js';
import { progressText, repliesText } from './rows.js';

const time = (field: string): string => `to_timestamp(${field} / 1000.0)`;

/**
 * $1 members and $2 the time after which they must not begin anything any more, $3 begins, $4 their branches,
 * $5 saves, $6 timeline.
 *
 * A member can begin only while it is not dead, and its row is locked against being declared so: who takes over
 * sees everything that it ever began. A statement that was on its way for too long begins nothing either: whoever
 * sent it has stopped waiting and looking for it.
 *
 * The statement is prepared once, perhaps over empty tables, and must be right for full ones: `owner || ''` keeps
 * the planner from the index on owner, where all that a node has under way is one key, and `IN … IS TRUE` makes a
 * hashed subplan where a join would compare every row with every other (see BY_KEY in database.ts).
 */
const FLUSH = `
  WITH living AS (
    SELECT id FROM tercet.member WHERE id = ANY($1) AND NOT dead AND now() < ${time('$2::float8')}
     ORDER BY id FOR KEY SHARE
  ), begun AS (
    INSERT INTO tercet.transaction
           (gid, mode, drive, business_key, content_hash, begun_by, began_at, deadline_at, owner)
    SELECT gid, mode, drive, business_key, content_hash, begun_by, ${time('began_at')}, ${time('deadline_at')}, living.id
      FROM json_to_recordset($3) AS row(gid text, owner text, mode text, drive text, business_key text,
                                        content_hash text, begun_by text, began_at float8, deadline_at float8), living
     WHERE living.id = row.owner
        ON CONFLICT (gid) DO NOTHING
    RETURNING gid
  ), branched AS (
    INSERT INTO tercet.branch (gid, branch_id, position, component, payload)
    SELECT row.* FROM json_to_recordset($4) AS row(gid text, branch_id text, position int, component text, payload text)
     WHERE (row.gid IN (SELECT gid FROM begun)) IS TRUE
  ), saved AS (
    UPDATE tercet.transaction t
       SET version = t.version + 1, status = row.status, decision = row.decision, reason = row.reason,
           parked = row.parked, progress = row.progress, replies = COALESCE(row.replies, t.replies),
           decided_at = ${time('row.decided_at')}, ended_at = ${time('row.ended_at')}
      FROM json_to_recordset($5) AS row(gid text, owner text, epoch int, version int, status text, decision text,
                                        reason text, parked text, progress text, replies text,
                                        decided_at float8, ended_at float8)
     WHERE t.gid = row.gid AND t.owner || '' = row.owner AND t.epoch = row.epoch AND t.version = row.version
       AND (t.decision IS NULL OR t.decision = row.decision)
    RETURNING t.gid
  ), noted AS (
    INSERT INTO tercet.timeline (gid, version, events)
    SELECT row.* FROM json_to_recordset($6) AS row(gid text, version int, events text)
     WHERE (row.gid IN (SELECT gid FROM saved)) IS TRUE
  )
  SELECT 'gid' AS what, gid AS id FROM begun UNION ALL SELECT 'gid', gid FROM saved
   UNION ALL SELECT 'member', id FROM living`;

/** What one caller wants written, as JSON text made once: a flush that is taken apart or repeated only joins it. */
export interface Write {
  readonly gid: string;
  /** Of a begin: who owns what is begun. */
  readonly member: string | null;
  /** Rows of the four lists of FLUSH, with commas between them; '' for none. */
  readonly begin: string;
  readonly branches: string;
  readonly save: string;
  readonly timeline: string;
}

/** `there`: the gid is taken, or the row has moved on; `dead`: the member may not begin anything. */
export type Written = 'written' | 'there' | 'dead';

/** Sends one flush. The results are in the order of the batch. */
export async function flush(
  database: Database,
  lane: Lane,
  notAfter: number,
  batch: readonly Write[],
): Promise<Written[]> {
  const members = new Set(batch.flatMap(({ member }) => (member === null ? [] : [member])));
  const list = (part: 'begin' | 'branches' | 'save' | 'timeline'): string =>
    `[${batch.flatMap((write) => (write[part] === '' ? [] : [write[part]])).join(',')}]`;
  const values = [[...members], notAfter, list('begin'), list('branches'), list('save'), list('timeline')];
  // Prepared on the connection with the settings that its plan needs, and there alone.
  const name = lane === 'flush' ? { name: 'flush' } : {};
  const rows = await database.write<{ what: 'gid' | 'member'; id: string }>({ ...name, text: FLUSH, values }, lane);
  const written = new Set(rows.filter(({ what }) => what === 'gid').map(({ id }) => id));
  const living = new Set(rows.filter(({ what }) => what === 'member').map(({ id }) => id));
  return batch.map(({ gid, member }) => {
    if (written.has(gid)) return 'written';
    return member === null || living.has(member) ? 'there' : 'dead';
  });
}

export function beginOf(member: Member, tx: Transaction, contentHash: string): Write {
  const row = {
    gid: tx.gid,
    owner: member.id,
    mode: tx.mode,
    drive: tx.drive,
    business_key: tx.businessKey,
    content_hash: contentHash,
    begun_by: member.node,
    began_at: tx.beganAt,
    deadline_at: tx.deadlineAt,
  };
  const branches = tx.branches.map(({ branchId, component, payload }, position) =>
    JSON.stringify({ gid: tx.gid, branch_id: branchId, position, component, payload }),
  );
  const begin = JSON.stringify(row);
  return { gid: tx.gid, member: member.id, begin, branches: branches.join(','), save: '', timeline: '' };
}

export function saveOf({ owner, epoch, version, tx: before }: Held, tx: Transaction, events: readonly TimelineEvent[]) {
  const row = {
    gid: tx.gid,
    owner,
    epoch,
    version,
    status: tx.status,
    decision: tx.decision,
    reason: tx.reason === null ? null : JSON.stringify(tx.reason),
    parked: tx.parked === null ? null : JSON.stringify(tx.parked),
    progress: progressText(tx),
    replies: repliesText(before, tx),
    decided_at: tx.decidedAt,
    ended_at: tx.endedAt,
  };
  const timeline =
    events.length === 0 ? '' : JSON.stringify({ gid: tx.gid, version: version + 1, events: JSON.stringify(events) });
  return { gid: tx.gid, member: null, begin: '', branches: '', save: JSON.stringify(row), timeline } satisfies Write;
}
