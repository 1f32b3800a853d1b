/** `tercet tx list` */
import type { TransactionView } from '../protocol/words.js';
import { Api, REMOTE } from './api.js';
import type { Command, Given } from './command.js';
import { EXIT } from './exit.js';
import type { Exit } from './exit.js';
import { FILTER, filterOf, queryOf } from './filter.js';
import { age } from './moments.js';
import { table } from './table.js';
import { note, print, printJson } from './terminal.js';
import { progress, statusCell, whyCell } from './transaction-words.js';

export interface Page {
  readonly transactions: readonly TransactionView[];
  readonly next: string | null;
}

export const listTransactions: Command = {
  name: 'tx list',
  summary: 'transactions, newest first',
  options: {
    ...FILTER,
    unfinished: { says: 'only what has not ended' },
    limit: { value: 'N', says: 'rows of a page: 50, at most 500' },
    all: { says: 'every page; with --json a transaction a line' },
    ...REMOTE,
  },
  examples: [
    ['tercet tx list --parked', 'what waits for a person'],
    ['tercet tx list --unfinished --to 5m', 'what should have ended by now'],
    ['tercet tx list --component account --from 1h', 'what account took part in lately'],
    ['tercet tx list --all --json --status aborted', 'every aborted one, for a script'],
  ],
  run: async (given) => (given.has('all') ? everyPage(given) : onePage(given)),
};

/** The rows of the list. @param now by the clock of the coordinator, ms */
export function transactionTable(transactions: readonly TransactionView[], now: number, indent = ''): string[] {
  const columns = [
    { title: 'GID' },
    { title: 'STATUS' },
    { title: 'DONE', isNumber: true },
    { title: 'AGE', isNumber: true },
    { title: 'WHY' },
  ] as const;
  const rows = transactions.map((tx) => {
    return [tx.gid, statusCell(tx), progress(tx), age(now - Date.parse(tx.beganAt)), whyCell(tx)];
  });
  return table(columns, rows, indent);
}

async function onePage(given: Given): Promise<Exit> {
  const api = new Api(given);
  const page = await api.get<Page>('/v1/transactions', 'transactions', parametersOf(given));
  if (given.has('json')) printJson(page);
  else show(page.transactions, api.now, true);
  if (!given.has('json') && page.next !== null) note('there are more: --all shows every one, --limit more of them');
  return EXIT.done;
}

async function everyPage(given: Given): Promise<Exit> {
  const api = new Api(given);
  const parameters = { ...parametersOf(given), limit: given.text('limit') ?? '500' };
  let after: string | undefined;
  do {
    const page = await api.get<Page>('/v1/transactions', 'transactions', { ...parameters, after });
    if (given.has('json')) page.transactions.forEach(printJson);
    else show(page.transactions, api.now, after === undefined);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return EXIT.done;
}

function parametersOf(given: Given): Record<string, string | undefined> {
  return {
    ...queryOf(filterOf(given)),
    unfinished: given.has('unfinished') ? 'true' : undefined,
    limit: given.text('limit'),
  };
}

function show(transactions: readonly TransactionView[], now: number, isFirst: boolean): void {
  if (transactions.length > 0)
    transactionTable(transactions, now)
      .slice(isFirst ? 0 : 1)
      .forEach((line) => print(line));
  else if (isFirst) note('no transaction is like that');
}
