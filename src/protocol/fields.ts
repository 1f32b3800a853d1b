/** The fields that several requests have. */
import { z } from 'zod';
import { DEFAULT_RETRY, IDENTIFIER, LIMITS } from './words.js';

export const DAY_MS = 86_400_000;

export const identifier = z
  .string()
  .regex(IDENTIFIER, 'must be 1 to 128 characters of A-Z a-z 0-9 . _ : -, and not . or ..');
export const text = (max: number) =>
  z.string().min(1).max(max).refine(isStorable, 'must be Unicode text without U+0000 and half surrogate pairs');
export const whole = (min: number, max: number) => z.int().min(min).max(max);
export const url = z
  .string()
  .max(2000)
  .refine(
    isCallable,
    'must be an http:// or https:// URL without user, password, fragment, backslash and space, and not of port 0',
  );
export const baseUrl = url.refine((value) => !value.includes('?'), 'must have no query: /{operation} is put behind it');
export const payload = z.unknown().optional();
export const time = z.iso.datetime({ offset: true }).transform((value) => Date.parse(value));
/** Optional, and absent where it was not given: never `undefined`. */
export const maybe = <S extends z.ZodType>(schema: S) => z.exactOptional(schema);

/** PostgreSQL keeps any text but these. */
function isStorable(value: string): boolean {
  return !/\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(value);
}

function isCallable(value: string): boolean {
  // URL reads much else as if it were right: spaces around, a slash too few or too many, a line end within.
  const isPlain = /^https?:\/\/[^\s\p{Cc}\p{Cs}#\\/?@]+([/?][^\s\p{Cc}\p{Cs}#\\]*)?$/iu.test(value);
  return isPlain && URL.canParse(value) && new URL(value).port !== '0';
}

export const retryPolicy = z.strictObject({
  baseMs: whole(1, DAY_MS).default(DEFAULT_RETRY.baseMs).describe('Pause before the second attempt'),
  factor: z
    .number()
    .min(1)
    .max(100)
    .default(DEFAULT_RETRY.factor)
    .describe('Each further pause is so many times longer'),
  capMs: whole(1, DAY_MS).default(DEFAULT_RETRY.capMs).describe('No pause is longer, jitter aside'),
  jitter: z
    .number()
    .min(0)
    .max(1)
    .default(DEFAULT_RETRY.jitter)
    .describe('Share of a pause that is spread to either side'),
  maxAttempts: whole(1, 100_000)
    .default(DEFAULT_RETRY.maxAttempts)
    .describe('Of confirm and cancel; then the transaction is parked'),
  maxAgeMs: whole(1, 365 * DAY_MS)
    .default(DEFAULT_RETRY.maxAgeMs)
    .describe('Age at which an operation is given up, whatever its answers'),
  tryAttempts: whole(1, 1000).default(DEFAULT_RETRY.tryAttempts).describe('Of a try; then the transaction is aborted'),
});

export const checkPolicy = {
  afterMs: whole(0, 30 * DAY_MS).describe('Age of the half message before its producer is asked'),
  intervalMs: whole(1, 30 * DAY_MS).describe('Pause after the first check; each further one is longer'),
  maxAttempts: whole(1, 100_000).describe('Checks that reached the producer; then the transaction is parked'),
};

export const branch = z.strictObject({ branchId: identifier, component: identifier, payload });

export const wait = z.enum(['accepted', 'decided', 'settled']).describe('What the answer waits for');
export const waitMs = whole(0, LIMITS.waitMs).default(30_000).describe('How long at most; then 202 with what is known');
