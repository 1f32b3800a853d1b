/** A sequence of the database: alone, or as one of several databases that each count from i in steps of n. */
import { CodedError } from '../platform/coded-error.js';
import type { Executor } from '../platform/executor.js';
import { rowsOf } from '../platform/executor.js';
import type { IdFacts, Ids } from './id.js';
import { SERVICE_TABLES } from './schema.js';
import { SharedTrips } from './shared-trips.js';
import { Store } from './store.js';

export interface SequenceOptions {
  /** A pool or client of pg, a DataSource of TypeORM. */
  readonly database: Executor;
  /** With its schema where it is not of the search path; default `tercet_id_sequence`. */
  readonly sequence?: string;
  /** Which of how many databases this one is, from 1; default: the only one. */
  readonly share?: { readonly index: number; readonly of: number };
}

/**
 * A commit that has written nothing does not wait for the disk, and then a crash of the server would forget what was
 * given out; the message that is logged with it makes it wait. Whatever a session's default is.
 */
const NEXT = `
  SELECT nextval($1::regclass)::text AS id, n = 1 AND pg_logical_emit_message(true, 'tercet', '') IS NOT NULL,
         n = 1 AND set_config('synchronous_commit', 'on', true) IS NOT NULL
    FROM generate_series(1, $2::int) AS n`;

const FOUND = `
  SELECT seqstart::text AS start, seqincrement::text AS increment, seqcycle AS cycles,
         coalesce(pg_sequence_last_value(seqrelid), seqstart)::text AS last
    FROM pg_sequence WHERE seqrelid = to_regclass($1)`;

interface Found {
  readonly start: string;
  readonly increment: string;
  readonly cycles: boolean;
  readonly last: string;
}

/**
 * Ids of one database rise. Each costs a round trip that waits for the disk, shared by all who ask at the same time.
 *
 * @throws CodedError TERCET_ID_UNSAFE unless the sequence is there and counts as `share` says; TERCET_ID_UNAVAILABLE
 */
export async function sequence(options: SequenceOptions): Promise<Ids> {
  const { database, sequence: name = SERVICE_TABLES.sequence, share = { index: 1, of: 1 } } = options;
  const { index, of } = share;
  if (!Number.isInteger(index) || !Number.isInteger(of) || index < 1 || index > of) {
    throw new RangeError(`share is ${index} of ${of}; it must be whole numbers, the first from 1 to the second`);
  }
  const store = new Store('the database');
  const [found] = await store.ask(() => rowsOf<Found>(database, FOUND, [name]));
  check(name, found, share);
  const trips = new SharedTrips(store, async (count) =>
    (await rowsOf<{ id: string }>(database, NEXT, [name, count])).map(({ id }) => id),
  );
  return {
    kind: 'sequence',
    next: () => trips.next(),
    warnings: () => store.warnings('and there are none in stock'),
    facts: (): IdFacts => {
      const { asked, failures } = store;
      return { made: trips.made, asked, failures, stepsBack: 0, waits: 0, left: 0, leftMs: null };
    },
    close: async () => trips.close(),
  };
}

function check(name: string, found: Found | undefined, { index, of }: { index: number; of: number }): void {
  if (!found) {
    const next = 'make it with the migration, with installIds, or by CREATE SEQUENCE';
    throw new CodedError('TERCET_ID_UNSAFE', `there is no sequence ${name}; ${next}`);
  }
  if (found.cycles) {
    const next = `end that with ALTER SEQUENCE ${name} NO CYCLE`;
    throw new CodedError('TERCET_ID_UNSAFE', `the sequence ${name} starts over at its end; ${next}`);
  }
  const { start, increment, last } = found;
  // Alone, any sequence that rises will do.
  const isInStep = (BigInt(last) - BigInt(index)) % BigInt(of) === 0n;
  const isFit = of === 1 ? BigInt(increment) > 0n : start === String(index) && increment === String(of) && isInStep;
  if (isFit) return;
  const state = `the sequence ${name} starts at ${start}, counts by ${increment} and is at ${last}`;
  const next = `ALTER SEQUENCE ${name} START WITH ${index} INCREMENT BY ${of} RESTART`;
  const used = `if ids were made with it, RESTART WITH ${index} plus a multiple of ${of} above those of all databases`;
  const why = of === 1 ? 'it would come to the same numbers again' : 'ids of two databases could meet';
  throw new CodedError('TERCET_ID_UNSAFE', `${state}: ${why}; run ${next} (${used})`);
}
