/** A write whose answer was lost, and what the log holds after it. */
import type { Transaction } from '../domain/transaction.js';
import type { Held } from './ports.js';

/** Whether what was found is what was to be written on `from`, which then landed with its events. */
export function isOwnWrite(from: Held, tx: Transaction, found: Held): boolean {
  const told = ({ status, parked, branches }: Transaction): string =>
    JSON.stringify([status, parked, branches.map(({ state, attempts, gaveUp }) => [state, attempts, gaveUp])]);
  return found.epoch === from.epoch && found.version === from.version + 1 && told(found.tx) === told(tx);
}
