/** Why the configuration center does not do what it was asked. */
import { LogOutcomeUnknown, LogUnavailable } from '../engine/ports.js';
import type { ConfigChange } from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';
import type { FieldError } from '../protocol/errors.js';

export function unknown(what: string): TercetError {
  return new TercetError('TERCET_CONFIG_UNKNOWN', `there is no ${what}; \`tercet config list\` shows what there is`);
}

export function conflict(detail: string, diff?: ConfigChange[]): TercetError {
  return new TercetError('TERCET_CONFIG_CONFLICT', detail, undefined, diff ? { diff } : {});
}

export function wrongState(detail: string): TercetError {
  return new TercetError('TERCET_CONFIG_ROLLOUT_STATE', detail);
}

/** @param why it never names a value */
export function corrupt(environment: string, namespace: string, why: string): TercetError {
  const next = 'restore it from a backup, or write and release a new content';
  return new TercetError('TERCET_CONFIG_CORRUPT', `${environment}/${namespace} cannot be read: ${why}; ${next}`);
}

export function badField(path: string, message: string): TercetError {
  return new TercetError('TERCET_REQUEST_INVALID', `${path} ${message}`, [{ path, message }]);
}

/** @param fields by `namespace/pointer` or JSON pointer */
export function unfit(detail: string, fields: FieldError[]): TercetError {
  return new TercetError('TERCET_CONFIG_INVALID', detail, fields);
}

/** What is read once something was done. That it cannot be read now must not be told as if nothing had been done. */
export async function afterwards<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof LogUnavailable)) throw error;
    throw new LogOutcomeUnknown(`it was done, and cannot be read now: ${error.message}`, { cause: error });
  }
}
