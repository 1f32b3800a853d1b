/** Group commits: many begins, saves and ends as one statement. */
import type { Database, Lane } from './database.js';
import { flushStatement, LISTS } from './flush-statement.js';
import type { Has, List } from './flush-statement.js';
import type { Write } from './writes.js';

/**
 * `there`: the gid is taken, or the row has moved on; `dead`: the member may not begin anything; `over`: nobody begins
 * anything under that epoch any more.
 */
export type Written = 'written' | 'there' | 'dead' | 'over';

interface Answer {
  readonly written: readonly string[] | null;
  readonly living?: readonly string[] | null;
  readonly epoch?: number;
}

/** By name: as many as there are kinds of flushes. */
const STATEMENTS = new Map<string, string>();

/** Sends one flush. The results are in the order of the batch, which is that in which the writes came in. */
export async function flush(
  database: Database,
  lane: Lane,
  notAfter: number,
  batch: readonly Write[],
): Promise<Written[]> {
  // Rows are locked in one order by every node; what goes to Kafka keeps the order in which it was decided.
  const byGid = batch.length < 2 ? batch : [...batch].sort((a, b) => (a.gid < b.gid ? -1 : 1));
  const rows = LISTS.map((list) => joined(list === 'outbox' ? batch : byGid, list));
  const lists = LISTS.filter((_list, index) => rows[index] !== '');
  const branchesToMove = batch.some((write) => write.branchesToMove);
  const timelineToMove = batch.some((write) => write.timelineToMove);
  const statement = statementOf({ lists, branchesToMove, timelineToMove });
  const members = lists.includes('begin') ? membersOf(batch) : [];
  const values = [
    ...(members.length > 0 ? [members, notAfter] : []),
    ...rows.flatMap((text) => (text === '' ? [] : [`[${text}]`])),
  ];
  // Prepared on the connection with the settings that its plan needs, and there alone.
  const { name, text } = statement;
  const asked = lane === 'flush' ? { name, text, values } : { text, values };
  const [answer] = await database.write<Answer & Record<string, unknown>>(asked, lane);
  const written = new Set(answer?.written);
  return batch.map(({ gid, member, epoch }) => {
    if (written.has(gid)) return 'written';
    if (member === null) return 'there';
    if (answer?.living?.includes(member) !== true) return 'dead';
    return epoch === answer.epoch ? 'there' : 'over';
  });
}

function statementOf(has: Has): { name: string; text: string } {
  const moves = `${has.branchesToMove ? ' branches' : ''}${has.timelineToMove ? ' timeline' : ''}`;
  const name = `flush ${has.lists.join(' ')}${moves && ` moves${moves}`}`;
  let text = STATEMENTS.get(name);
  if (text === undefined) STATEMENTS.set(name, (text = flushStatement(has)));
  return { name, text };
}

function joined(batch: readonly Write[], list: List): string {
  let text = '';
  for (const write of batch) {
    const rows = write[list];
    if (rows !== '') text = text === '' ? rows : `${text},${rows}`;
  }
  return text;
}

function membersOf(batch: readonly Write[]): string[] {
  return [...new Set(batch.flatMap(({ member }) => member ?? []))];
}
