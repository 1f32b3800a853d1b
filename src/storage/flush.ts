/** The one statement of the hot path: begins, saves and ends of many transactions, their branches and timelines. */
import { isEnded } from '../domain/transaction.js';
import type { Transaction } from '../domain/transaction.js';
import type { Held, Member, TimelineEvent } from '../engine/ports.js';
import { quoted } from '../protocol/json.js';
import type { Database, Lane } from './database.js';
import { OUTBOX_ROW, outboxRows } from './outbox-rows.js';
import { BRANCHES, COLUMNS, planText, progressText, repliesText } from './rows.js';

const time = (field: string): string => `to_timestamp(${field} / 1000.0)`;

/** What the row of a save must be for it to count. */
const FENCE = `t.gid = ANY (ARRAY[row.gid]) AND t.owner || '' = row.owner AND t.epoch = row.epoch
           AND t.version = row.version AND (t.decision IS NULL OR t.decision = row.decision)`;

const SAVE = `gid text, owner text, epoch int, version int, status text, decision text, reason text, parked text,
              progress text, replies text, decided_at float8`;

/**
 * $1 members and $2 the time after which they must not begin anything any more, $3 begins, $4 their branches,
 * $5 saves, $6 timeline, $7 ends, $8 what goes to Kafka, in the order in which it was decided.
 *
 * A member can begin only while it is not dead, and its row is locked against being declared so: who takes over
 * sees everything that it ever began. A statement that was on its way for too long begins nothing either: whoever
 * sent it has stopped waiting and looking for it. Who begins is decided in tercet.gid, which knows what has ended too.
 *
 * They begin under the epoch that is in force, and that stays in force until this statement is committed: see
 * migrations/0009-configuration.ts. One flush enters once for all its begins, and one without begins not at all.
 *
 * What ends leaves the tables of the unfinished, with all that belongs to it, and goes to history as one row. The
 * deletes and the reads of `branch` and `timeline` see them as they were before this statement: complete, since the
 * fence lets through only who knows of everything written before. What comes with the end itself is in its row of $7.
 *
 * The statement is prepared once, over tables that may be empty or that vacuum saw when nothing was under way, and must
 * be right for full ones: `owner || ''` keeps the planner from the index on owner, where all that a node has under way
 * is one key, `ANY (ARRAY[…])` looks a gid up in its index for each row where `=` would also let it read the whole
 * index first, and `IN … IS TRUE` makes a hashed subplan where a join would compare every row with every other (see
 * BY_KEY in database.ts). For the same reason no index of these tables but the primary keys has the gid.
 */
const FLUSH = `
  WITH gate AS MATERIALIZED (
    SELECT tercet.enter_work() AS epoch WHERE cardinality($1::text[]) > 0
  ), living AS (
    SELECT id FROM tercet.member WHERE id = ANY($1) AND NOT dead AND now() < ${time('$2::float8')}
     ORDER BY id FOR KEY SHARE
  ), beginning AS (
    SELECT row.gid, living.id AS owner, mode, drive, business_key, content_hash, begun_by, trace,
           ${time('began_at')} AS began_at, ${time('deadline_at')} AS deadline_at,
           status, decision, ${time('decided_at')} AS decided_at, progress, plan, release
      FROM json_to_recordset($3) AS row(gid text, owner text, mode text, drive text, business_key text,
                                        content_hash text, begun_by text, began_at float8, deadline_at float8,
                                        trace text, status text, decision text, decided_at float8, progress text,
                                        plan text, release int, epoch int), living, gate
     WHERE living.id = row.owner AND row.epoch = gate.epoch
  ), claimed AS (
    INSERT INTO tercet.gid (gid, content_hash, began_at) SELECT gid, content_hash, began_at FROM beginning
        ON CONFLICT (gid) DO NOTHING
    RETURNING gid
  ), begun AS (
    INSERT INTO tercet.transaction (gid, mode, drive, business_key, begun_by, began_at, deadline_at, trace, owner,
                                    status, decision, decided_at, progress, plan, release)
    SELECT gid, mode, drive, business_key, begun_by, began_at, deadline_at, trace, owner,
           status, decision, decided_at, progress, plan, release FROM beginning
     WHERE (gid IN (SELECT gid FROM claimed)) IS TRUE
  ), branched AS (
    INSERT INTO tercet.branch (gid, branch_id, position, component, payload)
    SELECT row.* FROM json_to_recordset($4) AS row(gid text, branch_id text, position int, component text, payload text)
     WHERE (row.gid IN (SELECT gid FROM claimed)) IS TRUE
  ), saved AS (
    UPDATE tercet.transaction t
       SET version = t.version + 1, status = row.status, decision = row.decision, reason = row.reason,
           parked = row.parked, progress = row.progress, replies = COALESCE(row.replies, t.replies),
           decided_at = ${time('row.decided_at')}
      FROM json_to_recordset($5) AS row(${SAVE})
     WHERE ${FENCE}
    RETURNING t.gid
  ), noted AS (
    INSERT INTO tercet.timeline (gid, version, events)
    SELECT row.* FROM json_to_recordset($6) AS row(gid text, version int, events text)
     WHERE (row.gid IN (SELECT gid FROM saved) OR row.gid IN (SELECT gid FROM claimed)) IS TRUE
  ), ended AS (
    DELETE FROM tercet.transaction t
     USING json_to_recordset($7) AS row(${SAVE}, ended_at float8, events text)
     WHERE ${FENCE}
    RETURNING t.gid, mode, drive, business_key, begun_by, began_at, deadline_at, trace, plan, release, t.owner, t.epoch,
              t.version + 1 AS version, row.status, row.decision, row.reason, row.parked, row.progress,
              COALESCE(row.replies, t.replies) AS replies, ${time('row.decided_at')} AS decided_at,
              ${time('row.ended_at')} AS ended_at, row.events
  ), moved AS (
    INSERT INTO tercet.history (${COLUMNS}, begun_by, ended_at, branches, payloads, events)
    SELECT ${COLUMNS}, begun_by, ended_at, branches::text, payloads::text,
           '[' || concat_ws(',', (SELECT string_agg(l.events, ',' ORDER BY l.version) FROM tercet.timeline l
                                   WHERE l.gid = t.gid), t.events) || ']'
      FROM ended t CROSS JOIN LATERAL ${BRANCHES} b
  ), queued AS (
    INSERT INTO tercet.outbox (bucket, message_id, topic, key, payload, headers)
    SELECT bucket, message_id, topic, key, payload, headers FROM json_to_recordset($8) AS row(${OUTBOX_ROW})
     WHERE (row.gid IN (SELECT gid FROM saved) OR row.gid IN (SELECT gid FROM ended)) IS TRUE
  ), unbranched AS (
    DELETE FROM tercet.branch WHERE gid = ANY (ARRAY(SELECT gid FROM ended))
  ), untold AS (
    DELETE FROM tercet.timeline WHERE gid = ANY (ARRAY(SELECT gid FROM ended))
  )
  SELECT 'gid' AS what, gid AS id FROM claimed UNION ALL SELECT 'gid', gid FROM saved
   UNION ALL SELECT 'gid', gid FROM ended UNION ALL SELECT 'member', id FROM living
   UNION ALL SELECT 'epoch', epoch::text FROM gate`;

const LISTS = ['begin', 'branches', 'save', 'timeline', 'end', 'outbox'] as const;

/** What one caller wants written, as JSON text made once: a flush that is taken apart or repeated only joins it. */
export interface Write extends Readonly<Record<(typeof LISTS)[number], string>> {
  readonly gid: string;
  /** Of a begin: who owns what is begun. */
  readonly member: string | null;
  /** Of a begin: the epoch that must be in force. */
  readonly epoch?: number;
  /** Characters of payloads that an end moves to history, inside the database. */
  readonly moves: number;
}

/** No rows of any list of FLUSH; where there are several, commas are between them. */
const NOTHING = { begin: '', branches: '', save: '', timeline: '', end: '', outbox: '', moves: 0 };

/** Characters that a write adds to the work of its flush. */
export function charsOf(write: Write): number {
  return LISTS.reduce((sum, part) => sum + write[part].length, write.moves);
}

/**
 * `there`: the gid is taken, or the row has moved on; `dead`: the member may not begin anything; `over`: nobody begins
 * anything under that epoch any more.
 */
export type Written = 'written' | 'there' | 'dead' | 'over';

/**
 * Sends one flush. The results are in the order of the batch, which is that in which the writes came in.
 */
export async function flush(
  database: Database,
  lane: Lane,
  notAfter: number,
  batch: readonly Write[],
): Promise<Written[]> {
  // Rows are locked in one order by every node; what goes to Kafka keeps the order in which it was decided.
  const byGid = [...batch].sort((a, b) => (a.gid < b.gid ? -1 : 1));
  const members = new Set(batch.flatMap(({ member }) => (member === null ? [] : [member])));
  const list = (part: (typeof LISTS)[number]): string =>
    `[${(part === 'outbox' ? batch : byGid).flatMap((write) => (write[part] === '' ? [] : [write[part]])).join(',')}]`;
  const values = [[...members], notAfter, ...LISTS.map(list)];
  // Prepared on the connection with the settings that its plan needs, and there alone.
  const name = lane === 'flush' ? { name: 'flush' } : {};
  const rows = await database.write<{ what: 'gid' | 'member' | 'epoch'; id: string }>(
    { ...name, text: FLUSH, values },
    lane,
  );
  const written = new Set(rows.filter(({ what }) => what === 'gid').map(({ id }) => id));
  const living = new Set(rows.filter(({ what }) => what === 'member').map(({ id }) => id));
  const inForce = Number(rows.find(({ what }) => what === 'epoch')?.id);
  return batch.map(({ gid, member, epoch }) => {
    if (written.has(gid)) return 'written';
    if (member === null) return 'there';
    if (!living.has(member)) return 'dead';
    return epoch === inForce ? 'there' : 'over';
  });
}

export function beginOf(
  member: Member,
  tx: Transaction,
  contentHash: string,
  events: readonly TimelineEvent[],
  epoch: number,
): Write {
  const { gid } = tx;
  const begin =
    `{"gid":${quoted(gid)},"owner":"${member.id}","mode":"${tx.mode}","drive":"${tx.drive}",` +
    `"business_key":${orNull(tx.businessKey)},"content_hash":${quoted(contentHash)},"begun_by":${quoted(member.node)},` +
    `"began_at":${tx.beganAt},"deadline_at":${tx.deadlineAt},"trace":${orNull(tx.trace)},"release":${tx.release},` +
    `"epoch":${epoch},"status":"${tx.status}"${planned(tx)}}`;
  const branches = tx.branches.map(
    ({ branchId, component, payload }, position) =>
      `{"gid":${quoted(gid)},"branch_id":${quoted(branchId)},"position":${position},` +
      `"component":${quoted(component)},"payload":${json(payload)}}`,
  );
  const timeline = timelineOf(gid, 1, events);
  return { ...NOTHING, gid, member: member.id, epoch, begin, branches: branches.join(','), timeline };
}

/**
 * What others have from their begin: the first branches of a saga are started, and forward recovery is a decision; a
 * message has a time for its check.
 */
function planned(tx: Transaction): string {
  if (tx.plan === null && tx.message === null) return '';
  return (
    `,"decision":${orNull(tx.decision)},"decided_at":${tx.decidedAt},"progress":${json(progressText(tx))},` +
    `"plan":${jsonOrNull(planText(tx))}`
  );
}

export function saveOf(held: Held, tx: Transaction, events: readonly TimelineEvent[]): Write {
  const { gid } = tx;
  const row =
    `{"gid":${quoted(gid)},"owner":"${held.owner}","epoch":${held.epoch},"version":${held.version},` +
    `"status":"${tx.status}","decision":${orNull(tx.decision)},"reason":${valueOrNull(tx.reason)},` +
    `"parked":${valueOrNull(tx.parked)},"progress":${json(progressText(tx))},` +
    `"replies":${jsonOrNull(repliesText(held.tx, tx))},"decided_at":${tx.decidedAt}`;
  const outbox = outboxRows(held.tx, tx);
  if (isEnded(tx)) {
    const told = events.length === 0 ? null : events;
    const moves = tx.branches.reduce((sum, { payload }) => sum + payload.length, 0);
    const end = `${row},"ended_at":${tx.endedAt},"events":${valueOrNull(told)}}`;
    return { ...NOTHING, gid, member: null, moves, outbox, end };
  }
  const timeline = timelineOf(gid, held.version + 1, events);
  return { ...NOTHING, gid, member: null, save: `${row}}`, timeline, outbox };
}

function timelineOf(gid: string, version: number, events: readonly TimelineEvent[]): string {
  if (events.length === 0) return '';
  return `{"gid":${quoted(gid)},"version":${version},"events":${json(JSON.stringify(events))}}`;
}

function orNull(text: string | null): string {
  return text === null ? 'null' : quoted(text);
}

/**
 * JSON text as the value of a text column. PostgreSQL takes an object or array out of the row as it stands, so that it
 * need not be quoted; but it looks at the escapes in it, and knows not all that JavaScript writes.
 */
function json(text: string): string {
  const isNested = text.startsWith('{') || text.startsWith('[');
  return isNested && !text.includes('\\u') ? text : JSON.stringify(text);
}

function jsonOrNull(text: string | null): string {
  return text === null ? 'null' : json(text);
}

function valueOrNull(value: object | null): string {
  return value === null ? 'null' : json(JSON.stringify(value));
}
