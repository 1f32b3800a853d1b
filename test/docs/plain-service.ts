/** A service in a language without SDK: it has docs/fence.md, its SQL as printed and its table, and nothing else. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Executor, FencedCall, Json, Op } from '../../src/client/index.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const text = readFileSync(join(root, 'docs/fence.md'), 'utf8');

/** The SQL blocks by the name in their first line, as printed. */
export const SQL = new Map(
  [...text.matchAll(/^```sql\n-- (S\d+):.*\n([^]*?)\n```$/gm)].map(([, name = '', body = '']) => [name, body]),
);

export interface Rule {
  readonly name: string;
  readonly call: string;
  readonly step: string;
  readonly op: string;
  readonly state: string;
  readonly isOld: string;
  readonly then: string;
}

/** The decision table. */
export const RULES: Rule[] = [...text.matchAll(/^\| ([TFCDLK]\d) \|(.*)\|$/gm)].map(([, name = '', cells = '']) => {
  const [call = '', step = '', op = '', state = '', isOld = '', then = ''] = cells
    .split('|')
    .map((cell) => cell.trim());
  return { name, call, step, op, state, isOld, then };
});

/** What goes over the wire, and whether the transaction commits. */
export interface Answer {
  readonly status: number;
  readonly body: Json;
  readonly commit: boolean;
}

export interface Work {
  /** Does what the operation does. */
  run: () => Promise<Json>;
  readonly isPending: boolean;
}

/** A call, or the local transaction of a message. */
export type GuardedCall = Omit<FencedCall, 'op'> & { readonly op: Op | 'local' };

interface Facts {
  readonly call: string;
  readonly step: string;
  readonly op: string;
  readonly state: string;
  readonly isOld: string;
}

interface Looked {
  readonly op: string | null;
  readonly state: string | null;
  readonly reply: string | null;
  readonly end_reply: string | null;
  readonly is_old: boolean;
  readonly fenced: boolean;
}

const FIRST: Record<string, string> = { confirm: 'try', cancel: 'try', compensate: 'action' };
const AS_TRY: Record<string, string> = { action: 'try', compensate: 'cancel' };
const plainly = (op: string): string => AS_TRY[op] ?? op;

/** What the document says of a try and its cancel, read for an action and its compensation. */
export function asInSaga(words: string): string {
  return words.replace(/\btry\b/g, 'action').replace(/\bcancel(led)?\b/g, (_, past) => `compensate${past ? 'd' : ''}`);
}

/** Which rules of the table were followed, in order. */
export const followed: string[] = [];

/** Steps 1 to 5 of one call, in the open transaction of `executor`. */
export async function answerTo(executor: Executor, call: GuardedCall, work: Work): Promise<Answer> {
  const { gid, branchId, op, beganAt, timeoutMs = 3000 } = call;
  const rows = async <Row>(name: string, values: unknown[]): Promise<Row[]> =>
    ((await executor.query(SQL.get(name) ?? '', values)) as { rows: Row[] }).rows;
  const [bound] = await rows<{ before: string }>('S1', [String(timeoutMs / 2)]);
  const step = await record(rows, call);
  const [looked] = await rows<Looked>('S6', [gid, branchId, beganAt, bound?.before]);
  if (!looked?.fenced) return { status: 500, body: null, commit: false };
  const rule = ruleFor({
    call: plainly(op),
    step,
    op: looked.op === null ? 'none' : plainly(looked.op),
    state: looked.state ?? '',
    isOld: looked.is_old ? 'yes' : '',
  });
  followed.push(rule.name);
  if (rule.then !== '**work**') {
    const answer = told(op in AS_TRY ? asInSaga(rule.then) : rule.then, looked);
    // What it answers rests on the row that it inserted.
    return op === 'check' && answer.status === 409 ? { ...answer, commit: true } : answer;
  }
  const reply = await work.run();
  if (op === 'local') {
    await rows('S9', []);
    return { status: 200, body: null, commit: true };
  }
  const kept = reply === null ? null : JSON.stringify(reply);
  await rows('S7', [gid, branchId, op, 'done', work.isPending ? 'pending' : 'done', work.isPending ? null : kept]);
  return work.isPending ? { status: 425, body: null, commit: true } : { status: 200, body: reply, commit: true };
}

/** @returns whether the work may end: if not, roll back */
export async function endPending(
  executor: Executor,
  { gid, branchId, op }: FencedCall,
  state: 'done' | 'refused',
  reply: Json,
): Promise<boolean> {
  await executor.query(SQL.get('S1') ?? '', [null]);
  const kept = reply === null ? null : JSON.stringify(reply);
  const result = await executor.query(SQL.get('S7') ?? '', [gid, branchId, op, 'pending', state, kept]);
  return (result as { rows: unknown[] }).rows.length > 0;
}

type Rows = <Row>(name: string, values: unknown[]) => Promise<Row[]>;

async function record(rows: Rows, { gid, branchId, op, beganAt }: GuardedCall): Promise<string> {
  const affected = async (name: string, value: string | undefined): Promise<boolean> =>
    (await rows(name, [gid, branchId, op, value])).length > 0;
  switch (plainly(op)) {
    case 'try':
    case 'deliver':
    case 'local':
      return (await affected('S2', beganAt)) ? 'inserted' : '';
    case 'check':
      return (await affected('S4', beganAt)) ? 'inserted' : '';
    case 'confirm':
      return (await affected('S3', FIRST[op])) ? 'changed' : '';
    default:
      if (await affected('S4', beganAt)) return 'inserted';
      return (await affected('S5', FIRST[op])) ? 'changed' : '';
  }
}

function ruleFor(facts: Facts): Rule {
  const columns = ['call', 'step', 'op', 'state', 'isOld'] as const;
  const rule = RULES.find((candidate) =>
    columns.every((column) => candidate[column] === '' || candidate[column] === facts[column]),
  );
  if (!rule) throw new Error(`the table says nothing about ${JSON.stringify(facts)}`);
  return rule;
}

function told(then: string, { reply, end_reply: endReply }: Looked): Answer {
  const kept = JSON.parse((then.includes('end_reply') ? endReply : reply) ?? 'null') as Json;
  const quoted = /`(.+)`/.exec(then)?.[1] ?? null;
  switch (then.slice(0, 3)) {
    case '200':
      return { status: 200, body: then === '200 with null' ? null : kept, commit: true };
    case '409':
      return { status: 409, body: { reason: quoted === 'reply' ? kept : quoted }, commit: false };
    case '425':
      return { status: 425, body: null, commit: false };
    default:
      return { status: 500, body: { code: quoted }, commit: false };
  }
}
