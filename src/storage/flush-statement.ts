/**
 * The one statement of the hot path: begins, saves and ends of many transactions, and what belongs to them. It is made
 * of what a flush has: PostgreSQL sets up every part of a statement, also those that find nothing to do.
 */
import { OUTBOX_ROW } from './outbox-rows.js';
import { BRANCHES, COLUMNS } from './rows.js';

/** What a flush may carry, each as a list of JSON rows. */
export const LISTS = ['begin', 'branch', 'save', 'timeline', 'end', 'outbox'] as const;
export type List = (typeof LISTS)[number];

/** What a flush has of what need not be there. */
export interface Has {
  readonly lists: readonly List[];
  /** Ends of transactions whose branches are in a table of their own. */
  readonly branchesToMove: boolean;
  /** Ends of transactions that have a timeline beside their row. */
  readonly timelineToMove: boolean;
}

const time = (field: string): string => `to_timestamp(${field} / 1000.0)`;

/** What the row of a save must be for it to count. */
const FENCE = `t.gid = ANY (ARRAY[row.gid]) AND t.owner || '' = row.owner AND t.epoch = row.epoch
           AND t.version = row.version AND (t.decision IS NULL OR t.decision = row.decision)`;

const SAVE = `gid text, owner text, epoch int, version int, status text, decision text, reason text, parked text,
              progress text, replies text, decided_at float8, events text`;

/**
 * $1 members and $2 the time after which they must not begin anything any more, $3 begins.
 *
 * A member can begin only while it is not dead, and its row is locked against being declared so: who takes over
 * sees everything that it ever began. A statement that was on its way for too long begins nothing either: whoever
 * sent it has stopped waiting and looking for it. Who begins is decided in tercet.gid, which knows what has ended too.
 *
 * They begin under the epoch that is in force, and that stays in force until this statement is committed: see
 * migrations/0009-configuration.ts. One flush enters once for all its begins, and one without begins not at all.
 */
const BEGIN = `
  gate AS MATERIALIZED (
    SELECT tercet.enter_work() AS epoch
  ), living AS (
    SELECT id FROM tercet.member WHERE id = ANY($1) AND NOT dead AND now() < ${time('$2::float8')}
     ORDER BY id FOR KEY SHARE
  ), beginning AS (
    SELECT row.gid, living.id AS owner, mode, drive, business_key, content_hash, begun_by, trace,
           ${time('began_at')} AS began_at, ${time('deadline_at')} AS deadline_at,
           status, decision, ${time('decided_at')} AS decided_at, progress, plan, release, branches, payloads, events
      FROM json_to_recordset($3) AS row(gid text, owner text, mode text, drive text, business_key text,
                                        content_hash text, begun_by text, began_at float8, deadline_at float8,
                                        trace text, status text, decision text, decided_at float8, progress text,
                                        plan text, release int, epoch int, branches text, payloads text, events text),
           living, gate
     WHERE living.id = row.owner AND row.epoch = gate.epoch
  ), claimed AS (
    INSERT INTO tercet.gid (gid, content_hash, began_at) SELECT gid, content_hash, began_at FROM beginning
        ON CONFLICT (gid) DO NOTHING
    RETURNING gid
  ), begun AS (
    INSERT INTO tercet.transaction (gid, mode, drive, business_key, begun_by, began_at, deadline_at, trace, owner,
                                    status, decision, decided_at, progress, plan, release, branches, payloads, events)
    SELECT gid, mode, drive, business_key, begun_by, began_at, deadline_at, trace, owner,
           status, decision, decided_at, progress, plan, release, branches, payloads, events FROM beginning
     WHERE (gid IN (SELECT gid FROM claimed)) IS TRUE
  )`;

const branch = (rows: string): string => `
  branched AS (
    INSERT INTO tercet.branch (gid, branch_id, position, component, payload)
    SELECT row.* FROM json_to_recordset(${rows})
        AS row(gid text, branch_id text, position int, component text, payload text)
     WHERE (row.gid IN (SELECT gid FROM claimed)) IS TRUE
  )`;

const save = (rows: string): string => `
  saved AS (
    UPDATE tercet.transaction t
       SET version = t.version + 1, status = row.status, decision = row.decision, reason = row.reason,
           parked = row.parked, progress = row.progress, replies = COALESCE(row.replies, t.replies),
           decided_at = ${time('row.decided_at')},
           events = CASE WHEN row.events IS NULL THEN t.events ELSE concat_ws(',', t.events, row.events) END
      FROM json_to_recordset(${rows}) AS row(${SAVE})
     WHERE ${FENCE}
    RETURNING t.gid
  )`;

const timeline = (rows: string): string => `
  noted AS (
    INSERT INTO tercet.timeline (gid, version, events)
    SELECT row.* FROM json_to_recordset(${rows}) AS row(gid text, version int, events text)
     WHERE (row.gid IN (SELECT gid FROM saved)) IS TRUE
  )`;

/**
 * What ends leaves the tables of the unfinished, with all that belongs to it, and goes to history as one row. The
 * deletes and the reads of `branch` and `timeline` see them as they were before this statement: complete, since the
 * fence lets through only who knows of everything written before. What comes with the end itself is in its own row.
 */
const end = (rows: string, { branchesToMove, timelineToMove }: Has): string => `
  ended AS (
    DELETE FROM tercet.transaction t
     USING json_to_recordset(${rows}) AS row(${SAVE}, ended_at float8)
     WHERE ${FENCE}
    RETURNING t.gid, mode, drive, business_key, begun_by, began_at, deadline_at, trace, plan, release, t.owner, t.epoch,
              t.version + 1 AS version, row.status, row.decision, row.reason, row.parked, row.progress,
              COALESCE(row.replies, t.replies) AS replies, ${time('row.decided_at')} AS decided_at,
              ${time('row.ended_at')} AS ended_at, t.branches, t.payloads, t.events AS first_events, row.events
  ), moved AS (
    INSERT INTO tercet.history (${COLUMNS}, begun_by, ended_at, branches, payloads, events)
    SELECT ${COLUMNS}, begun_by, ended_at,
           ${branchesToMove ? 'COALESCE(t.branches, b.branches::text), COALESCE(t.payloads, b.payloads::text)' : 'branches, payloads'},
           '[' || concat_ws(',', first_events, ${timelineToMove ? LATER_EVENTS : 'NULL'}, t.events) || ']'
      FROM ended t ${branchesToMove ? `CROSS JOIN LATERAL ${BRANCHES} b` : ''}
  )`;

/** Of `t`, what is not in its row. */
export const LATER_EVENTS = `(SELECT string_agg(l.events, ',' ORDER BY l.version) FROM tercet.timeline l WHERE l.gid = t.gid)`;

const REMOVE = 'WHERE gid = ANY (ARRAY(SELECT gid FROM ended))';

const outbox = (rows: string, written: string): string => `
  queued AS (
    INSERT INTO tercet.outbox (bucket, message_id, topic, key, payload, headers)
    SELECT bucket, message_id, topic, key, payload, headers FROM json_to_recordset(${rows}) AS row(${OUTBOX_ROW})
     WHERE (row.gid IN (${written})) IS TRUE
  )`;

/**
 * Parameters: with begins, members and time as above; then a list of JSON rows for each of `has.lists`, in their order.
 * The answer is one row: `written`, the gids that were; with begins `living`, the members that may, and the `epoch`.
 *
 * The statement is prepared once, over tables that may be empty or that vacuum saw when nothing was under way, and must
 * be right for full ones: `owner || ''` keeps the planner from the index on owner, where all that a node has under way
 * is one key, `ANY (ARRAY[…])` looks a gid up in its index for each row where `=` would also let it read the whole
 * index first, and `IN … IS TRUE` makes a hashed subplan where a join would compare every row with every other (see
 * BY_KEY in database.ts). For the same reason no index of these tables but the primary keys has the gid.
 */
export function flushStatement(has: Has): string {
  const begins = has.lists.includes('begin');
  const rows = (list: List): string => `$${(begins ? 3 : 1) + has.lists.indexOf(list)}`;
  const [saves, ends] = [has.lists.includes('save'), has.lists.includes('end')];
  const changed = [...(saves ? ['saved'] : []), ...(ends ? ['ended'] : [])].map((of) => `SELECT gid FROM ${of}`);
  const parts = [
    ...(begins ? [BEGIN] : []),
    ...(has.lists.includes('branch') ? [branch(rows('branch'))] : []),
    ...(saves ? [save(rows('save'))] : []),
    ...(has.lists.includes('timeline') ? [timeline(rows('timeline'))] : []),
    ...(ends ? [end(rows('end'), has)] : []),
    ...(has.lists.includes('outbox') ? [outbox(rows('outbox'), changed.join(' UNION ALL '))] : []),
    ...(has.branchesToMove ? [`unbranched AS (DELETE FROM tercet.branch ${REMOVE})`] : []),
    ...(has.timelineToMove ? [`untold AS (DELETE FROM tercet.timeline ${REMOVE})`] : []),
  ];
  const written = [...(begins ? ['SELECT gid FROM claimed'] : []), ...changed].join(' UNION ALL ');
  const more = begins ? `, (SELECT json_agg(id) FROM living) AS living, (SELECT epoch FROM gate) AS epoch` : '';
  return `WITH ${parts.join(', ')} SELECT (SELECT json_agg(gid) FROM (${written}) w) AS written${more}`;
}
