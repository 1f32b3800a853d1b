/** The requests of docs/wire.md as schemas. Only the server uses them: a client would have to install Zod. */
import { z } from 'zod';
import { DEFAULT_RETRY, IDENTIFIER, LIMITS, MODES, STATUSES } from './words.js';
import type { RetryPolicy } from './words.js';

const DAY_MS = 86_400_000;

export const identifier = z
  .string()
  .regex(IDENTIFIER, 'must be 1 to 128 characters of A-Z a-z 0-9 . _ : -, and not . or ..');
const text = (max: number) =>
  z.string().min(1).max(max).refine(isStorable, 'must be Unicode text without U+0000 and half surrogate pairs');
const whole = (min: number, max: number) => z.int().min(min).max(max);
const url = z
  .string()
  .max(2000)
  .refine(
    isCallable,
    'must be an http:// or https:// URL without user, password, fragment, backslash and space, and not of port 0',
  );
const baseUrl = url.refine((value) => !value.includes('?'), 'must have no query: /{operation} is put behind it');
const payload = z.unknown().optional();
/** Optional, and absent where it was not given: never `undefined`. */
const maybe = <S extends z.ZodType>(schema: S) => z.exactOptional(schema);

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

export const component = z
  .strictObject({
    url: baseUrl.optional(),
    endpoints: z
      .strictObject({
        try: maybe(url),
        confirm: maybe(url),
        cancel: maybe(url),
        action: maybe(url),
        compensate: maybe(url),
        check: maybe(url),
        deliver: maybe(url),
      })
      .default({}),
    timeoutMs: whole(1, 600_000).default(3000).describe('How long one call may take'),
    concurrency: whole(1, 100_000).default(256).describe('Calls at a time, for each node'),
    retry: retryPolicy.prefault({}),
    version: text(128).optional(),
  })
  .refine((body) => body.url !== undefined || Object.keys(body.endpoints).length > 0, {
    path: ['url'],
    message: 'url or endpoints is needed: where to call',
  });
export type ComponentRequest = z.output<typeof component>;

/** The heartbeat of one instance of a component. */
export const instance = z.strictObject({ url: baseUrl, ttlMs: whole(1000, 3_600_000).default(15_000) });
export const instanceName = z.strictObject({ instance: identifier });

const branch = z.strictObject({ branchId: identifier, component: identifier, payload });
export const registerBranch = branch;

const wait = z.enum(['accepted', 'decided', 'settled']).describe('What the answer waits for');
const waitMs = whole(0, LIMITS.waitMs).default(30_000).describe('How long at most; then 202 with what is known');

const common = {
  gid: identifier.optional().describe('Your own name for it, to ask again with; default: a UUIDv7'),
  businessKey: text(256).optional().describe('To find it by'),
  wait: wait.optional(),
  waitMs,
};
const deadlineMs = whole(1, 30 * DAY_MS);

export const beginTcc = z
  .strictObject({
    mode: z.literal('tcc'),
    ...common,
    deadlineMs: deadlineMs.default(30_000).describe('Not decided by then: aborted'),
    drive: z.enum(['coordinator', 'initiator']).default('coordinator').describe('Who calls the tries'),
    branches: z.array(branch).max(LIMITS.branches).optional(),
  })
  .superRefine(({ drive, branches = [] }, context) => {
    if (branches.length === 0 && drive === 'coordinator') {
      context.addIssue({ code: 'custom', path: ['branches'], message: 'must have at least one branch' });
    }
    uniqueIds(branches, context);
  });

const ownRetry = z.strictObject(
  // Without the defaults: what is not given stays as the component has it.
  Object.fromEntries(
    Object.entries(retryPolicy.shape).map(([name, field]) => [name, z.exactOptional(field.unwrap())]),
  ) as { [K in keyof RetryPolicy]: z.ZodExactOptional<z.ZodNumber> },
);

const sagaBranch = z.strictObject({
  branchId: identifier,
  component: identifier,
  payload,
  after: maybe(z.array(identifier).max(LIMITS.branches)).describe(
    'The branches that must be done before it starts; all branches say it, or none: then each comes after the one before',
  ),
  compensate: maybe(z.boolean()).describe('false: there is nothing to undo; default: true'),
  pivot: maybe(z.boolean()).describe('Its success is the decision to commit'),
  timeoutMs: maybe(whole(1, 600_000)).describe('How long one call may take; default: as the component says'),
  deadlineMs: maybe(deadlineMs).describe('How long after its start the action must be done'),
  retry: maybe(ownRetry).describe('What differs from the policy of the component for the action'),
  compensateRetry: maybe(ownRetry).describe('The same for the compensation'),
});

export const beginSaga = z
  .strictObject({
    mode: z.literal('saga'),
    ...common,
    deadlineMs: deadlineMs.optional().describe('Not decided by then: aborted; default: none'),
    drive: z.literal('coordinator', 'a saga is driven by the coordinator').default('coordinator'),
    recovery: z.enum(['backward', 'forward']).default('backward').describe('What is done when a branch fails'),
    parallel: whole(1, LIMITS.branches).default(100).describe('Branches that may run at a time'),
    branches: z.array(sagaBranch).min(1, 'must have at least one branch').max(LIMITS.branches),
  })
  .superRefine(({ branches }, context) => {
    uniqueIds(branches, context);
    const first = branches.findIndex(({ after }) => after === undefined);
    if (first >= 0 && branches.some(({ after }) => after !== undefined)) {
      const message = 'is missing: all branches say what they come after, or none does';
      context.addIssue({ code: 'custom', path: ['branches', first, 'after'], message });
    }
  });

function uniqueIds(branches: readonly { branchId: string }[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  branches.forEach(({ branchId }, index) => {
    if (seen.has(branchId)) {
      const message = `must be unique, '${branchId}' was used before`;
      context.addIssue({ code: 'custom', path: ['branches', index, 'branchId'], message });
    }
    seen.add(branchId);
  });
}

export const begin = z.discriminatedUnion('mode', [beginTcc, beginSaga], "must be 'tcc' or 'saga'");

export const submit = z.strictObject({ wait: wait.default('decided'), waitMs });
export const abort = z
  .strictObject({
    reason: text(1000).optional(),
    by: z.enum(['initiator', 'operator']).optional(),
    wait: wait.default('decided'),
    waitMs,
  })
  .refine(({ by, reason }) => by !== 'operator' || reason !== undefined, {
    path: ['reason'],
    message: 'an operator says why',
  });
/** What an operator orders, and why. */
export const order = z.strictObject({ reason: text(1000) });

const number = (schema: z.ZodInt) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(schema);
const time = z.iso.datetime({ offset: true }).transform((value) => Date.parse(value));

export const look = z.strictObject({ wait: wait.optional(), waitMs: number(whole(0, LIMITS.waitMs)).default(30_000) });
const yesOrNo = z.enum(['true', 'false']).transform((value) => value === 'true');
const whichTransactions = {
  status: z.enum(STATUSES).optional(),
  mode: z.enum(MODES).optional(),
  component: identifier.optional(),
  businessKey: text(256).optional(),
  from: time.optional(),
  to: time.optional(),
};
export const list = z.strictObject({
  ...whichTransactions,
  parked: yesOrNo.optional(),
  unfinished: yesOrNo.optional(),
  limit: number(whole(1, 500)).default(50),
  after: text(1000).optional(),
});
export const bulk = z
  .strictObject({
    action: z.enum(['retry', 'park', 'resume', 'abort']),
    filter: z
      .strictObject({ ...whichTransactions, parked: z.boolean().optional() })
      .refine((filter) => Object.values(filter).some((value) => value !== undefined), 'must name at least one field'),
    reason: text(1000),
    dryRun: z.boolean().default(false),
    limit: whole(1, LIMITS.bulk).default(1000),
  })
  .superRefine(({ action, filter }, context) => {
    const complain = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: ['filter', field], message });
    if (filter.status === 'committed' || filter.status === 'aborted')
      complain('status', 'what has ended stays as it is');
    else if (action === 'abort' && (filter.status ?? 'open') !== 'open')
      complain('status', 'only open ones can be aborted');
    if (action === 'resume' && filter.parked === false) complain('parked', 'only parked ones can be resumed');
  });
export const nothing = z.strictObject({});
