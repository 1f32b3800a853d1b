/** The list of transactions, page by page. */
import { TercetError } from '../protocol/errors.js';
import { IDENTIFIER } from '../protocol/words.js';
import type { Status } from '../protocol/words.js';
import type { Held, ListFilter } from '../engine/ports.js';
import { isDataError } from './database.js';
import type { Database } from './database.js';
import { selectTransactions, toHeld } from './rows.js';
import type { TransactionRow } from './rows.js';

/** A page ends early where the replies in it would be longer, in characters. */
const MAX_REPLY_CHARS = 4 * 1024 * 1024;

const ENDED: ReadonlySet<Status> = new Set<Status>(['committed', 'aborted']);

/** Newest first; a page continues behind the last row of the one before, whatever came in meanwhile. */
export async function listTransactions(
  database: Database,
  filter: ListFilter,
): Promise<{ items: Held[]; next: string | null }> {
  const values: unknown[] = [];
  const conditions: string[] = [];
  const demand = (condition: (parameter: string) => string, value: unknown): void => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition(`$${values.length}`));
  };
  demand((p) => `status = ${p}`, filter.status);
  // What has not ended has an index of its own, however much has ended since.
  if (filter.unfinished || filter.parked || (filter.status && !ENDED.has(filter.status)))
    conditions.push('ended_at IS NULL');
  demand((p) => `(ended_at IS NULL) = ${p}`, filter.unfinished);
  demand((p) => `mode = ${p}`, filter.mode);
  demand((p) => `business_key = ${p}`, filter.businessKey);
  demand((p) => `(parked IS NOT NULL) = ${p}`, filter.parked);
  demand((p) => `began_at >= to_timestamp(${p}::float8 / 1000.0)`, filter.from);
  demand((p) => `began_at <= to_timestamp(${p}::float8 / 1000.0)`, filter.to);
  demand((p) => `EXISTS (SELECT FROM tercet.branch b WHERE b.gid = t.gid AND b.component = ${p})`, filter.component);
  if (filter.after !== undefined) {
    const [beganAt, gid] = cursorOf(filter.after);
    values.push(beganAt, gid);
    conditions.push(
      `(began_at, gid) < (to_timestamp($${values.length - 1}::float8 / 1000.0), $${values.length} COLLATE "C")`,
    );
  }
  values.push(filter.limit + 1);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  const order = 'ORDER BY t.began_at DESC, t.gid DESC';
  // What comes before a row in its page, so that the first is never left out.
  const page = `
    JOIN (SELECT gid, count(*) OVER ()::int AS found,
                 sum(length(replies)) OVER (${order} ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW) AS chars
            FROM (SELECT gid, began_at, replies FROM tercet.transaction t ${where} ${order} LIMIT $${values.length}) t
         ) page USING (gid)
   WHERE COALESCE(page.chars, 0) <= ${MAX_REPLY_CHARS} ${order}`;
  const rows = await database
    .read<TransactionRow & { found: number }>(
      selectTransactions('without payloads', page, ', page.found'),
      values,
      'list',
    )
    .catch((error: unknown) => {
      if (!isDataError(error)) throw error;
      const detail = `no transaction can be looked for like this: ${error.message}`;
      throw new TercetError('TERCET_REQUEST_INVALID', detail, undefined, { cause: error });
    });
  const shown = rows.slice(0, filter.limit);
  const last = (rows[0]?.found ?? 0) > shown.length ? shown.at(-1) : undefined;
  const next = last ? Buffer.from(JSON.stringify([last.began_at, last.gid])).toString('base64url') : null;
  return { items: shown.map(toHeld), next };
}

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
