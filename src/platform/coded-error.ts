/** What the leaves throw: an error with a code of docs/errors.md, in the service as in the SDK. */

/** The codes, each with what it means in a few words. */
export const LEAF_CODES = {
  TERCET_LOCK_HELD: 'The lock was not free in time',
  TERCET_LOCK_LOST: 'The lock was lost while it was held',
  TERCET_LOCK_UNAVAILABLE: 'The store of the lock does not answer',
  TERCET_LOCK_TOKEN_OLD: 'Somebody else has got the lock since',
  TERCET_ID_UNAVAILABLE: 'No id can be made now',
  TERCET_ID_UNSAFE: 'Ids made this way could repeat',
  TERCET_CONFIG_UNAVAILABLE: 'No configuration can be had',
  TERCET_CONFIG_TOO_OLD: 'The last good configuration is too old',
} as const;

export type LeafCode = keyof typeof LEAF_CODES;

/** `message` says what happened, why, and what to do next. */
export class CodedError extends Error {
  override readonly name = 'TercetError';

  constructor(
    readonly code: LeafCode,
    readonly detail: string,
    options?: ErrorOptions,
  ) {
    super(`${code}: ${detail}`, options);
  }
}
