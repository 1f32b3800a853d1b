/**
 * Every error that Tercet answers or throws, by code. docs/errors.md explains each; a test compares the two.
 * A participant's answer is never one of these: answers are values (Outcome), errors are for whoever asks.
 */
import type { ConfigChange } from './config.js';
import type { Problem } from './words.js';

const REGISTRY = {
  TERCET_REQUEST_INVALID: [400, 'The request is not valid'],
  TERCET_REQUEST_MALFORMED: [400, 'The request cannot be read'],
  TERCET_KEY_INVALID: [401, 'There is no valid key'],
  TERCET_ROLE_FORBIDDEN: [403, 'The key may not do this'],
  TERCET_ORIGIN_FORBIDDEN: [403, 'A web page could have sent the request'],
  TERCET_CONFIG_SECRET_FORBIDDEN: [403, 'The key may not read secrets'],
  TERCET_ROUTE_UNKNOWN: [404, 'There is nothing at this path'],
  TERCET_TRANSACTION_UNKNOWN: [404, 'There is no such transaction'],
  TERCET_BRANCH_UNKNOWN: [404, 'There is no such branch'],
  TERCET_COMPONENT_UNKNOWN: [404, 'There is no such component'],
  TERCET_INSTANCE_UNKNOWN: [404, 'There is no such instance'],
  TERCET_DEAD_LETTER_UNKNOWN: [404, 'There is no such dead letter'],
  TERCET_LOCK_UNKNOWN: [404, 'Nobody has the lock'],
  TERCET_CONFIG_UNKNOWN: [404, 'The configuration has no such thing'],
  TERCET_GID_CONFLICT: [409, 'The gid was used with other content'],
  TERCET_BRANCH_CONFLICT: [409, 'The branchId was used with other content'],
  TERCET_TRANSACTION_DECIDED: [409, 'The transaction is decided'],
  TERCET_TRANSACTION_STATE: [409, 'The state of the transaction does not allow it'],
  TERCET_COMPONENT_IN_USE: [409, 'Unfinished transactions use the component'],
  TERCET_CONFIG_CONFLICT: [409, 'The configuration has changed since'],
  TERCET_CONFIG_LOCKED: [409, 'Somebody else edits the namespace'],
  TERCET_CONFIG_LOCK_LOST: [409, 'The edit lock was lost'],
  TERCET_CONFIG_ROLLOUT_STATE: [409, 'The state of the rollout does not allow it'],
  TERCET_REQUEST_TOO_LARGE: [413, 'The request is too large'],
  TERCET_REQUEST_NOT_JSON: [415, 'The body must be application/json'],
  TERCET_COMPONENT_NOT_REGISTERED: [422, 'The request names a component that is not registered'],
  TERCET_COMPONENT_LACKS_OPERATION: [422, 'The component lacks an operation that the mode needs'],
  TERCET_SAGA_INVALID: [422, 'The graph of the saga makes no sense'],
  TERCET_KAFKA_OFF: [422, 'This coordinator has no Kafka'],
  TERCET_TARGET_FORBIDDEN: [422, 'The target is not on the allow-list'],
  TERCET_CONFIG_INVALID: [422, 'The content does not fit its schema or rules'],
  TERCET_CONFIG_SCHEMA_INVALID: [422, 'The schema or a rule makes no sense'],
  TERCET_CONFIG_STRICT_UNSUPPORTED: [422, 'Only coordinators can switch strictly'],
  TERCET_CONFIG_SECRETS_OFF: [422, 'This coordinator has no key for secrets'],
  TERCET_TRANSACTIONS_TOO_MANY: [429, 'Too many transactions are unfinished'],
  TERCET_BEGINS_TOO_FAST: [429, 'More begins a second than are allowed'],
  TERCET_INTERNAL: [500, 'Tercet has a defect'],
  TERCET_CONFIG_CORRUPT: [500, 'Stored configuration is damaged'],
  TERCET_ID_UNAVAILABLE: [503, 'No id can be made now'],
  TERCET_ID_UNSAFE: [503, 'Ids made this way could repeat'],
  TERCET_NOT_READY: [503, 'The coordinator is not ready'],
  TERCET_OUTCOME_UNKNOWN: [504, 'The outcome is not known'],
} as const satisfies Record<string, readonly [number, string]>;

export type ErrorCode = keyof typeof REGISTRY;
export const ERROR_CODES = Object.keys(REGISTRY) as ErrorCode[];

export interface FieldError {
  path: string;
  message: string;
}

/** An error with a code of docs/errors.md. `detail` says what happened, why, and what to do next. */
export class TercetError extends Error {
  override readonly name = 'TercetError';
  readonly status: number;
  /** Of a conflict: what differs, masked. */
  readonly diff: ConfigChange[] | undefined;
  /** Of what may be asked for again: not before. Undefined: soon. */
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    readonly errors?: FieldError[],
    { diff, retryAfterMs, ...options }: ErrorOptions & { diff?: ConfigChange[]; retryAfterMs?: number } = {},
  ) {
    super(`${code}: ${detail}`, options);
    this.diff = diff;
    this.retryAfterMs = retryAfterMs;
    this.status = REGISTRY[code][0];
  }

  /** The error as the body of an answer. */
  toProblem(): Problem {
    return {
      type: `urn:tercet:${this.code}`,
      title: REGISTRY[this.code][1],
      status: this.status,
      detail: this.detail,
      code: this.code,
      ...(this.errors ? { errors: this.errors } : {}),
      ...(this.diff ? { diff: this.diff } : {}),
    };
  }
}
