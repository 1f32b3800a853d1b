/** What /openapi.json says of a call. */
import type { z } from 'zod';
import type { ErrorCode } from '../protocol/errors.js';
import type { Role } from './keys.js';
import type { ViewName } from './openapi-views.js';

export interface Call {
  readonly id: string;
  readonly summary: string;
  /** One of these is needed, or admin; of `component` alone, one that is for the component in the path. */
  readonly roles: readonly Role[] | 'any role' | 'no key';
  /** What may stand in the path, by its name there, where that is not any identifier. */
  readonly names?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  /** Whether `Idempotency-Key` and `traceparent` may be given. */
  readonly hasKey?: true;
  readonly body?: z.ZodType;
  /** By status: when it comes, and what it holds. */
  readonly answers: Readonly<Record<number, readonly [string, ViewName | null]>>;
  /** Beside those that any call may have. */
  readonly problems: readonly ErrorCode[];
}

export const found = (view: ViewName) => ['as it is now', view] as const;
export const WRITES: readonly ErrorCode[] = ['TERCET_OUTCOME_UNKNOWN'];
