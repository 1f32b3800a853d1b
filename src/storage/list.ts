/** The list of transactions, page by page. */
import { TercetError } from '../protocol/errors.js';
import { IDENTIFIER } from '../protocol/words.js';
import type { Status } from '../protocol/words.js';
import type { Held, ListFilter } from '../engine/ports.js';
import { isDataError } from './database.js';
import type { Database } from './database.js';
import { COLUMNS, componentText, rowsOf, toHeld } from './rows.js';
import type { TransactionRow } from './rows.js';

/** A page ends early where the replies in it would be longer, in characters. */
const MAX_REPLY_CHARS = 4 * 1024 * 1024;

/**
 * Rows of history that one page looks through for a filter that no index knows (a component, a mode, `committed`).
 * Where they hold less than a page, the page is short, or empty, and the next one goes on behind them.
 */
const MAX_LOOKED_THROUGH = 5000;

const ENDED: ReadonlySet<Status> = new Set<Status>(['committed', 'aborted']);
const ORDER = 'ORDER BY began_at DESC, gid DESC';

interface Row extends TransactionRow {
  /** Rows of the page before it was cut for its length. */
  readonly found: number;
  /** False: it only says how far the filter looked. */
  readonly shown: boolean;
  /** The last that was looked through; what is older comes with a later page. */
  readonly boundary: boolean;
}

/** Newest first; a page continues behind the last row of the one before, whatever came in or ended meanwhile. */
export async function listTransactions(
  database: Database,
  filter: ListFilter,
): Promise<{ items: Held[]; next: string | null }> {
  const values: unknown[] = [];
  const text = statement(filter, (value) => `$${values.push(value)}`);
  if (text === null) return { items: [], next: null };
  const rows = await database.read<Row>(text, values, 'list').catch((error: unknown) => {
    if (!isDataError(error)) throw error;
    const detail = `no transaction can be looked for like this: ${error.message}`;
    throw new TercetError('TERCET_REQUEST_INVALID', detail, undefined, { cause: error });
  });
  const shown: Row[] = [];
  let last: Row | undefined;
  let isMore = (rows[0]?.found ?? 0) > rows.length;
  for (const row of rows) {
    isMore ||= shown.length === filter.limit || row.boundary;
    if (shown.length === filter.limit) break;
    last = row;
    if (row.shown) shown.push(row);
    if (row.boundary) break;
  }
  const next = isMore && last ? Buffer.from(JSON.stringify([last.began_at, last.gid])).toString('base64url') : null;
  return { items: shown.map(toHeld), next };
}

/** Both tables in one statement, so that a row on its way from one to the other is seen once; null: nothing can match. */
function statement(filter: ListFilter, parameter: (value: unknown) => string): string | null {
  const { status, parked } = filter;
  const isUnfinished = [filter.unfinished, parked || undefined, status && !ENDED.has(status)];
  const indexed: string[] = [];
  const others: string[] = [];
  const demand = (list: string[], condition: (value: string) => string, value: unknown): void => {
    if (value !== undefined) list.push(condition(parameter(value)));
  };
  demand(indexed, (p) => `business_key = ${p}`, filter.businessKey);
  demand(indexed, (p) => `began_at >= to_timestamp(${p}::float8 / 1000.0)`, filter.from);
  demand(indexed, (p) => `began_at <= to_timestamp(${p}::float8 / 1000.0)`, filter.to);
  if (filter.after !== undefined) {
    const [beganAt, gid] = cursorOf(filter.after);
    const [time, id] = [parameter(beganAt), parameter(gid)];
    indexed.push(`(began_at, gid) < (to_timestamp(${time}::float8 / 1000.0), ${id} COLLATE "C")`);
  }
  // As the index of what was aborted has it, and so without a parameter.
  if (status === 'aborted') indexed.push(`status = 'aborted'`);
  else demand(others, (p) => `status = ${p}`, status);
  demand(others, (p) => `mode = ${p}`, filter.mode);
  demand(others, (p) => `(parked IS NOT NULL) = ${p}`, parked);
  const limit = parameter(filter.limit + 1);
  const { component } = filter;
  const text = component === undefined ? '' : parameter(componentText(component));
  const arms: string[] = [];
  if (!isUnfinished.includes(false)) {
    const own: string[] = [];
    demand(own, (p) => `(strpos(branches, ${text}) > 0 OR ${joined(p)})`, component);
    arms.push(unfinishedArm([...indexed, ...others, ...own], limit));
  }
  if (!isUnfinished.includes(true)) {
    const matches = component === undefined ? others : [...others, `strpos(branches, ${text}) > 0`];
    arms.push(finishedArm(indexed, matches, limit));
  }
  return arms.length === 0 ? null : page(arms.join(' UNION ALL '), limit);
}

/** Whether a branch that is not in its row is of that component. */
const joined = (component: string): string =>
  `EXISTS (SELECT FROM tercet.branch b WHERE b.gid = t.gid AND b.component = ${component})`;

function unfinishedArm(conditions: readonly string[], limit: string): string {
  return `
    (SELECT ${COLUMNS}, NULL::timestamptz AS ended_at, branches, true AS shown, false AS boundary
       FROM tercet.transaction t WHERE ${all(conditions)}
      ${ORDER} LIMIT ${limit})`;
}

function finishedArm(indexed: readonly string[], matches: readonly string[], limit: string): string {
  const own = `${COLUMNS}, ended_at, branches`;
  if (matches.length === 0) {
    return `
    (SELECT ${own}, true AS shown, false AS boundary FROM tercet.history WHERE ${all(indexed)} ${ORDER} LIMIT ${limit})`;
  }
  const isEdge = '(began_at, gid) = ((SELECT began_at FROM edge), (SELECT gid FROM edge))';
  const newest = `FROM tercet.history WHERE ${all(indexed)} ${ORDER}`;
  // The edge comes from the index alone: a number for each row would be a copy of each row.
  return `
    (WITH edge AS (SELECT began_at, gid ${newest} OFFSET ${MAX_LOOKED_THROUGH - 1} LIMIT 1)
     SELECT ${own}, ${all(matches)} AS shown, COALESCE(${isEdge}, false) AS boundary
       FROM (SELECT ${own} ${newest} LIMIT ${MAX_LOOKED_THROUGH}) looked_through
      WHERE (${all(matches)}) OR ${isEdge} ${ORDER} LIMIT ${limit})`;
}

/** Ends where the replies in it would be too long; the first row is never left out. */
function page(arms: string, limit: string): string {
  const cut = `
    SELECT *, count(*) OVER ()::int AS found,
           sum(length(replies)) OVER (${ORDER} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS chars
      FROM (SELECT * FROM (${arms}) both_of_them ${ORDER} LIMIT ${limit}) found_rows`;
  const selected = `
    SELECT ${COLUMNS}, ended_at, found, shown, boundary, NULL::json AS payloads,
           COALESCE(branches::json, (SELECT json_agg(json_build_array(branch_id, component) ORDER BY position)
                                       FROM tercet.branch b WHERE b.gid = t.gid)) AS branches
      FROM (${cut}) t WHERE COALESCE(chars, 0) <= ${MAX_REPLY_CHARS}`;
  return `${rowsOf(selected, ', found, shown, boundary')} ORDER BY r.began_at DESC, r.gid DESC`;
}

const all = (conditions: readonly string[]): string => conditions.join(' AND ') || 'true';

function cursorOf(text: string): [number, string] {
  try {
    const cursor = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown;
    const [beganAt, gid] = Array.isArray(cursor) ? (cursor as unknown[]) : [];
    if (Number.isSafeInteger(beganAt) && typeof gid === 'string' && IDENTIFIER.test(gid)) return [Number(beganAt), gid];
  } catch {
    // Falls through to the error that says what a cursor is.
  }
  const message = "is not a cursor; take 'next' of the page before";
  throw new TercetError('TERCET_REQUEST_INVALID', `after: ${message}`, [{ path: 'after', message }]);
}
