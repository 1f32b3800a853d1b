/** Which transactions: the filter that the list and orders in bulk have in common. */
import { MODES, STATUSES } from '../protocol/words.js';
import type { Given, Option } from './command.js';
import { WrongUse } from './exit.js';
import { momentOf } from './moments.js';

export const FILTER: Readonly<Record<string, Option>> = {
  status: { value: 'STATUS', says: STATUSES.join(', ') },
  mode: { value: 'MODE', says: MODES.join(', ') },
  component: { value: 'NAME', says: 'with a branch of this component' },
  'business-key': { value: 'KEY', says: 'begun with this businessKey' },
  parked: { says: 'only what is parked, waiting for a person' },
  from: { value: 'TIME', says: 'begun at or after: 2h (ago), 3d, 2026-11-21, 2026-11-21T08:00Z' },
  to: { value: 'TIME', says: 'begun at or before' },
};

/** As the wire calls it; what was not given is undefined. */
export interface Filter {
  status?: string | undefined;
  mode?: string | undefined;
  component?: string | undefined;
  businessKey?: string | undefined;
  parked?: true | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

/** @throws WrongUse naming the option that cannot be */
export function filterOf(given: Given): Filter {
  const from = given.text('from');
  const to = given.text('to');
  return {
    status: wordOf(given, 'status', STATUSES),
    mode: wordOf(given, 'mode', MODES),
    component: given.text('component'),
    businessKey: given.text('business-key'),
    parked: given.has('parked') || undefined,
    from: from === undefined ? undefined : momentOf(from, 'from'),
    to: to === undefined ? undefined : momentOf(to, 'to'),
  };
}

/** The same as parameters of GET /v1/transactions. */
export function queryOf({ parked, ...rest }: Filter): Record<string, string | undefined> {
  return { ...rest, parked: parked && 'true' };
}

function wordOf(given: Given, option: string, words: readonly string[]): string | undefined {
  const word = given.text(option);
  if (word === undefined || words.includes(word)) return word;
  throw new WrongUse(`--${option} is '${word}'; it must be one of ${words.join(', ')}`);
}
