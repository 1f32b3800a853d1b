/** What the SDK throws. */
import type { ErrorCode } from '../protocol/errors.js';
import type { Problem } from '../protocol/words.js';

/** The codes that the SDK itself adds to those of the coordinator: status as an answer to a call, and title. */
const OWN = {
  TERCET_ANSWER_INVALID: [502, 'The answer is not one of a Tercet coordinator'],
  TERCET_CALL_INVALID: [400, 'The call is not one of a coordinator'],
  TERCET_FENCE_BUSY: [425, 'Another call for the branch is under way'],
  TERCET_FENCE_CANCELLED: [409, 'The branch was cancelled'],
  TERCET_FENCE_ENDED: [500, 'The branch has ended the other way'],
  TERCET_FENCE_MISUSED: [500, 'The fence is used in a way that cannot protect the work'],
  TERCET_FENCE_NOT_PENDING: [409, 'No pending work is recorded for the branch'],
  TERCET_FENCE_PURGED: [500, 'The branch is older than what the fence remembers'],
  TERCET_FENCE_TRY_MISSING: [500, 'The branch was never tried here'],
  TERCET_MESSAGE_ABORTED: [409, 'The message was aborted, its local transaction was not'],
  TERCET_MESSAGE_ROLLED_BACK: [409, 'The message was rolled back before its work began'],
  TERCET_MESSAGE_UNKNOWN: [500, 'It is not known whether the local transaction committed'],
  TERCET_OPERATION_FAILED: [500, 'The operation failed'],
  TERCET_OPERATION_UNKNOWN: [404, 'There is no such operation'],
  TERCET_RAW_BODY_MISSING: [500, 'The signature of the call cannot be checked'],
  TERCET_SIGNATURE_INVALID: [401, 'The signature of the call is not valid'],
} as const satisfies Record<string, readonly [number, string]>;

export type OwnCode = keyof typeof OWN;
export const OWN_CODES = Object.keys(OWN) as OwnCode[];

/**
 * An error with a code: what the coordinator answered, or what the fence found. `detail` says what happened, why,
 * and what to do next; `errors` names the fields of a request that are wrong.
 */
export class TercetError extends Error {
  override readonly name = 'TercetError';
  /** Of docs/errors.md; a newer coordinator may send one that this version does not know. */
  readonly code: ErrorCode | OwnCode | (string & {});
  readonly status: number;
  readonly detail: string;
  readonly errors: readonly { path: string; message: string }[];

  constructor(
    readonly problem: Problem,
    options?: ErrorOptions,
  ) {
    super(`${problem.code}: ${problem.detail}`, options);
    this.code = problem.code;
    this.status = problem.status;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
  }

  static of(code: OwnCode, detail: string, options?: ErrorOptions): TercetError {
    const [status, title] = OWN[code];
    return new TercetError({ code, status, title, detail, type: `urn:tercet:${code}` }, options);
  }
}

/** No answer came, or one that says that the outcome is unknown: what was asked for may have happened or not. */
export class TercetUnreachable extends Error {
  override readonly name = 'TercetUnreachable';

  constructor(
    /** The transaction that the request was about; null: it was about none. */
    readonly gid: string | null,
    /** Where the coordinator was looked for. */
    readonly url: string,
    attempts: number,
    cause: unknown,
  ) {
    const next =
      gid === null ? 'ask again' : `ask for the transaction '${gid}', or repeat the request with this same gid`;
    const tries = attempts === 1 ? 'one attempt' : `${attempts} attempts`;
    const why = cause instanceof TercetError ? cause.message : described(cause);
    super(`no certain answer from ${url} after ${tries} (${why}): ${next}`, { cause });
  }
}

/** Thrown by a try or action that says no, with the reason why: its transaction rolls back, the answer is 409. */
export class Refused extends Error {
  override readonly name = 'Refused';

  constructor(readonly reason: string) {
    super(`refused: ${reason}`);
  }
}

/** What went wrong below, in words. By shape: what fetch throws may be of another realm, as it is in Jest. */
export function described(error: unknown): string {
  const { cause } = Object(error) as { cause?: unknown };
  const { code, message } = Object(cause ?? error) as { code?: unknown; message?: unknown };
  if (typeof message !== 'string') return String(error);
  if (typeof code !== 'string' || message.includes(code)) return message;
  return message === '' ? code : `${code}: ${message}`;
}

/** What the coordinator takes as the reason of an abort: text that PostgreSQL can keep. */
export function reasonOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).slice(0, 1000).replaceAll('\0', ' ');
  // Half a surrogate pair, as the cut may leave it, becomes U+FFFD.
  return Buffer.from(text).toString() || 'the work failed';
}
