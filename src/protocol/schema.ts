/** The requests of docs/wire.md as schemas. Only the server uses them: a client would have to install Zod. */
import { z } from 'zod';
import {
  baseUrl,
  branch,
  checkPolicy,
  identifier,
  maybe,
  retryPolicy,
  text,
  time,
  url,
  wait,
  waitMs,
  whole,
} from './fields.js';
import { DEFAULT_CHECK, LIMITS, MODES, STATUSES } from './words.js';

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
    check: z
      .strictObject({
        afterMs: checkPolicy.afterMs.default(DEFAULT_CHECK.afterMs),
        intervalMs: checkPolicy.intervalMs.default(DEFAULT_CHECK.intervalMs),
        maxAttempts: checkPolicy.maxAttempts.default(DEFAULT_CHECK.maxAttempts),
      })
      .prefault({})
      .describe('Of messages that name it in `check` and say nothing else'),
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

export const registerBranch = branch;

export const submit = z
  .strictObject({
    reason: text(1000).optional(),
    by: z.literal('operator').optional().describe('Of a message alone: a person decides, and says why'),
    wait: wait.default('decided'),
    waitMs,
  })
  .refine(({ by, reason }) => (by === undefined) === (reason === undefined), {
    path: ['reason'],
    message: "stands with `by: 'operator'`, who says why",
  });
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

/** Which place a dead letter goes back to. */
export const requeue = z.strictObject({ reason: text(1000), at: z.enum(['end', 'place']).default('end') });

/** Of a query, where all is text. */
export const number = (schema: z.ZodInt) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(schema);
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
export const dead = z.strictObject({
  limit: number(whole(1, 500)).default(50),
  after: z
    .string()
    .regex(/^\d{1,18}$/, 'must be the `next` of the page before')
    .optional(),
});
export const locks = z.strictObject({
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{0,128}$/, 'must be how the name of a lock begins')
    .default(''),
  limit: number(whole(1, 500)).default(100),
});
export const nothing = z.strictObject({});
