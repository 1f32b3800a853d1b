/** `tercet tx retry|park|resume|abort|submit|force`: what a person decides, for some transactions by name or for many by filter. */
import type { TransactionView } from '../protocol/words.js';
import { Api, REMOTE } from './api.js';
import { orderInBulk } from './bulk.js';
import type { Action } from './bulk.js';
import type { Command, Given, Option } from './command.js';
import { WrongUse } from './exit.js';
import type { Exit } from './exit.js';
import { FILTER, filterOf } from './filter.js';
import { each, REASON, reasonOf } from './ordering.js';
import { painted } from './table.js';
import { style } from './terminal.js';
import { pathOf } from './transaction-show.js';
import { statusCell, whyCell } from './transaction-words.js';

const MANY = Infinity;
const BULK: Readonly<Record<string, Option>> = {
  ...FILTER,
  limit: { value: 'N', says: 'of a filter: at most so many transactions; 1000' },
  'dry-run': { says: 'of a filter: say how many, and show some; do nothing' },
  yes: { says: 'of a filter: do it' },
};

interface Order {
  readonly action: Action;
  readonly summary: string;
  readonly about: string;
  readonly examples: Command['examples'];
}

const BY_FILTER = `Names transactions, or finds them with a filter (any of the options from --status
to --to); a filter needs --dry-run or --yes.`;

const ORDERS: readonly Order[] = [
  {
    action: 'retry',
    summary: 'calls now what waits for its next attempt; parked ones go on',
    about: BY_FILTER,
    examples: [
      ['tercet tx retry order-17 order-18 --reason "account is back"', 'these two'],
      ['tercet tx retry --component account --parked --reason "back" --dry-run', 'how many that would be'],
      ['tercet tx retry --component account --parked --reason "back" --yes', 'all of them'],
    ],
  },
  {
    action: 'park',
    summary: 'calls nobody any more, until retry or resume',
    about: BY_FILTER,
    examples: [
      ['tercet tx park order-17 --reason "account pays twice"', 'this one'],
      ['tercet tx park --component account --from 1h --reason "pays twice" --yes', 'all of the last hour'],
    ],
  },
  {
    action: 'resume',
    summary: 'lets parked ones go on, from the first attempt',
    about: BY_FILTER,
    examples: [
      ['tercet tx resume order-17 --reason "account is repaired"', 'this one'],
      ['tercet tx resume --parked --reason "all is repaired" --yes', 'everything that is parked'],
    ],
  },
  {
    action: 'abort',
    summary: 'decides abort of open ones; what was tried is cancelled',
    about: `${BY_FILTER}
What is decided stays decided: then it ends with 4.`,
    examples: [
      ['tercet tx abort order-17 --reason "ordered by mistake"', 'this one'],
      ['tercet tx abort --status open --to 1h --reason "left over" --yes', 'open for over an hour'],
    ],
  },
];

const force: Command = {
  name: 'tx force',
  summary: 'takes parked branches as done, without calling their service',
  operands: 'GID BRANCH [BRANCH…]',
  operandCount: { from: 2, to: MANY },
  options: { ...REASON, ...REMOTE },
  about: `For a service that will never answer again: settle the matter there by hand first.
The branch is \`forced\` for ever, and the timeline says who said so and why.`,
  examples: [['tercet tx force order-17 account --reason "refunded by hand, ticket 4711"', 'its money went back']],
  run: async (given) => {
    const [gid = '', ...branches] = given.operands;
    const body = { reason: reasonOf(given) };
    const path = (branch: string): string => `${pathOf(gid)}/branches/${encodeURIComponent(branch)}/force`;
    return each(given, branches, (api, branch) => api.post<TransactionView>(path(branch), 'gid', body), told);
  },
};

const submit: Command = {
  name: 'tx submit',
  summary: 'decides commit of messages whose producer does not answer',
  operands: 'GID [GID…]',
  operandCount: { from: 1, to: MANY },
  options: { ...REASON, ...REMOTE },
  about: `For a message that is parked at its check, when its producer's own database says
that the local transaction committed; if it says the reverse, \`tx abort\`. What is
decided stays decided: then it ends with 4.`,
  examples: [['tercet tx submit order-17 --reason "paid, says its database"', 'it is delivered']],
  run: async (given) => decide('submit', { reason: reasonOf(given), by: 'operator' }, given),
};

export const ORDER_COMMANDS: readonly Command[] = [
  ...ORDERS.map(({ action, summary, about, examples }): Command => {
    return {
      name: `tx ${action}`,
      summary,
      operands: '[GID…]',
      operandCount: { from: 0, to: MANY },
      options: { ...REASON, ...BULK, ...REMOTE },
      about,
      examples,
      run: (given) => order(action, given),
    };
  }),
  submit,
  force,
];

async function order(action: Action, given: Given): Promise<Exit> {
  const filter = filterOf(given);
  const hasFilter = Object.values(filter).some((value) => value !== undefined);
  if (given.operands.length > 0) {
    const option = [...Object.keys(BULK)].find((name) => given.has(name));
    if (option !== undefined)
      throw new WrongUse(`--${option} is for a filter, and transactions are named: one of the two`);
    return decide(action, { reason: reasonOf(given), ...(action === 'abort' ? { by: 'operator' } : {}) }, given);
  }
  if (!hasFilter) throw new WrongUse('which ones? It needs a GID, or a filter such as --parked');
  return orderInBulk(new Api(given), { action, filter, reason: reasonOf(given) }, given);
}

function decide(action: string, body: object, given: Given): Promise<Exit> {
  const send = (api: Api, gid: string): Promise<TransactionView> => api.post(`${pathOf(gid)}/${action}`, 'gid', body);
  return each(given, given.operands, send, told);
}

function told(tx: TransactionView): string {
  const why = painted(whyCell(tx));
  return `${style(tx.gid, 'bold')}  ${painted(statusCell(tx))}${why === '' ? '' : `  ${why}`}`;
}
