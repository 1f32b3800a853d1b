/** What a service starts with: what the center says, else the copy of last time, else, if it wants so, its defaults. */
import { CodedError } from '../../platform/coded-error.js';
import type { Logger } from '../../platform/surroundings.js';
import type { ValuesView } from '../../protocol/config.js';
import { TercetError } from '../errors.js';
import { pause } from '../transport.js';
import type { Center } from './center.js';
import type { LastGood } from './last-good.js';
import { nothingIn } from './snapshot.js';

const ATTEMPTS = 3;
const PAUSE_MS = 200;

export type Source = 'center' | 'copy' | 'disk' | 'defaults';

/** What may be started with. */
export interface First<Taken> {
  readonly taken: Taken;
  readonly values: ValuesView;
  readonly source: Source;
  /** ms since the epoch. */
  readonly confirmedAt: number;
  /** What the center would have the instance take, which it does not. */
  readonly rejected: Rejected | null;
}

export interface Rejected {
  readonly values: ValuesView;
  readonly error: unknown;
}

export interface FirstParts<Taken> {
  readonly center: Center;
  readonly lastGood: LastGood | null;
  readonly environment: string;
  readonly isOptional: boolean;
  readonly now: () => number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Makes of values what the program uses, or throws. */
  readonly take: (values: ValuesView) => Taken;
}

/** @throws CodedError TERCET_CONFIG_UNAVAILABLE, TERCET_CONFIG_TOO_OLD; `rejected` is told first */
export async function firstOf<Taken>(
  parts: FirstParts<Taken>,
  tell: (rejected: Rejected) => void,
): Promise<First<Taken>> {
  const { environment, take, now, logger } = parts;
  let rejected: Rejected | null = null;
  let trouble: unknown;
  try {
    const [values, source] = await asked(parts);
    try {
      return { taken: take(values), values, source, confirmedAt: now(), rejected };
    } catch (error) {
      rejected = { values, error };
      trouble = error;
      tell(rejected);
    }
  } catch (error) {
    parts.signal.throwIfAborted();
    trouble = error;
  }
  const why = trouble instanceof Error ? trouble.message : String(trouble);
  try {
    const { values, confirmedAt } = await kept(parts);
    const taken = take(values);
    const age = `${Math.round((now() - confirmedAt) / 1000)} s ago`;
    logger.warn({ why, environment }, `this starts with the configuration that the center confirmed ${age}`);
    return { taken, values, source: 'disk', confirmedAt, rejected };
  } catch (error) {
    if (parts.isOptional) {
      logger.warn({ why, environment }, 'this starts with its defaults until the configuration can be had');
      const values = nothingIn(environment);
      return { taken: take(values), values, source: 'defaults', confirmedAt: now(), rejected };
    }
    const code = error instanceof CodedError ? error.code : 'TERCET_CONFIG_UNAVAILABLE';
    const next = 'see that the center is reached and that what it gives can be taken, then start again';
    const detail = error instanceof CodedError ? error.detail : String(error);
    throw new CodedError(code, `the configuration of '${environment}' cannot be had (${why}), and ${detail}; ${next}`, {
      cause: trouble,
    });
  }
}

async function asked({ center, environment, signal }: FirstParts<unknown>): Promise<[ValuesView, Source]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await center.next({ have: null, waitMs: 0, signal });
      if (answer) return [...answer];
      throw new Error(`${center.url} answered 204 to who has nothing`);
    } catch (error) {
      signal.throwIfAborted();
      if (isNothing(error)) return [nothingIn(environment), 'center'];
      const isRefused = error instanceof TercetError && error.status < 500 && error.status !== 429;
      if (isRefused || attempt === ATTEMPTS) throw error;
    }
    await pause(PAUSE_MS * attempt * (0.5 + Math.random()), signal);
  }
}

async function kept({ lastGood }: FirstParts<unknown>): Promise<{ values: ValuesView; confirmedAt: number }> {
  if (lastGood) return lastGood.read();
  throw new CodedError('TERCET_CONFIG_UNAVAILABLE', 'no copy is kept (lastGood)');
}

/** The center is there, and has never heard of the environment. */
export function isNothing(error: unknown): boolean {
  return error instanceof TercetError && error.code === 'TERCET_CONFIG_UNKNOWN';
}
