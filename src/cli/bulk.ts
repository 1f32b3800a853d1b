/** One order for all transactions that a filter finds; what it does is decided by the coordinator. */
import type { Api } from './api.js';
import type { Given } from './command.js';
import { EXIT, WrongUse } from './exit.js';
import type { Exit } from './exit.js';
import { queryOf } from './filter.js';
import type { Filter } from './filter.js';
import { note, plain, print, printJson } from './terminal.js';
import { transactionTable } from './transaction-list.js';
import type { Page } from './transaction-list.js';
import { count } from './transaction-words.js';

export type Action = 'retry' | 'park' | 'resume' | 'abort';

export interface BulkOrder {
  readonly action: Action;
  readonly filter: Filter;
  readonly reason: string;
}

/** The answer of POST /v1/bulk. */
interface Done {
  readonly matched: number;
  readonly more: boolean;
  readonly done: number;
  readonly failed: readonly { gid: string; code: string; detail: string }[];
}

/** Thousands of durable writes take their time. */
const ANSWER_MS = 300_000;
const SHOWN = 10;

export async function orderInBulk(api: Api, { action, filter, reason }: BulkOrder, given: Given): Promise<Exit> {
  const dryRun = given.has('dry-run');
  if (dryRun === given.has('yes')) throw new WrongUse('a filter may find many: --dry-run says which, or --yes does it');
  const limit = limitOf(given);
  const body = { action, filter, reason, dryRun, ...(limit === undefined ? {} : { limit }) };
  const answer = await api.post<Done>('/v1/bulk', 'matched', body, ANSWER_MS);
  if (given.has('json')) printJson(answer);
  else if (dryRun) await showSome(api, action, filter, answer);
  else showDone(action, answer);
  return answer.failed.length > 0 ? EXIT.failed : EXIT.done;
}

/** What an order can be for at all, as the list knows it. */
const CONCERNED: Readonly<Record<Action, Readonly<Record<string, string>>>> = {
  retry: { unfinished: 'true' },
  park: { unfinished: 'true' },
  resume: { parked: 'true' },
  abort: { status: 'open' },
};

async function showSome(api: Api, action: Action, filter: Filter, { matched, more }: Done): Promise<void> {
  print(`${action} would concern ${count(matched, 'transaction')}${more ? ', and more beyond --limit' : ''}`);
  if (matched === 0) return;
  const query = { ...queryOf(filter), ...CONCERNED[action], limit: String(Math.min(SHOWN, matched)) };
  const { transactions } = await api.get<Page>('/v1/transactions', 'transactions', query);
  for (const line of transactionTable(transactions, api.now, '  ')) print(line);
  if (matched > transactions.length) print(`  … and ${matched - transactions.length} more`);
  note('nothing was done; --yes instead of --dry-run does it');
}

function showDone(action: Action, { matched, more, done, failed }: Done): void {
  print(`${action}: ${done} of ${count(matched, 'transaction')}`);
  for (const { gid, code, detail } of failed) note(`tercet: ${gid}: ${code}: ${plain(detail)}`);
  if (more) note('there are more beyond --limit: run it again, or narrow the filter');
}

function limitOf(given: Given): number | undefined {
  const text = given.text('limit');
  if (text === undefined) return undefined;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new WrongUse(`--limit is '${text}'; it must be a whole number`);
}
