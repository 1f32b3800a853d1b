/** The begin of a transaction of each mode; docs/wire.md, section 4. */
import { z } from 'zod';
import {
  DAY_MS,
  branch,
  checkPolicy,
  identifier,
  maybe,
  payload,
  retryPolicy,
  text,
  time,
  wait,
  waitMs,
  whole,
} from './fields.js';
import { CHECK_BRANCH, HEADER_NAME, LIMITS, OWN_HEADERS, TOPIC } from './words.js';
import type { RetryPolicy } from './words.js';

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

const headers = z
  .record(
    z
      .string()
      .regex(HEADER_NAME, 'must have a name of 1 to 128 characters of A-Z a-z 0-9 _ . -')
      .refine((name) => !OWN_HEADERS.includes(name.toLowerCase()), 'is set by the coordinator'),
    text(LIMITS.headerChars),
  )
  .refine((all) => Object.keys(all).length <= LIMITS.headers, `must be at most ${LIMITS.headers}`);

const delivery = z
  .strictObject({
    branchId: identifier.refine((id) => id !== CHECK_BRANCH, `must not be '${CHECK_BRANCH}': that is the check`),
    component: maybe(identifier).describe('Whose `deliver` is called'),
    topic: maybe(z.string().regex(TOPIC, 'must be 1 to 249 characters of A-Z a-z 0-9 . _ -, and not . or ..')).describe(
      'The Kafka topic that it goes to instead',
    ),
    key: maybe(text(LIMITS.keyChars)).describe(
      'Messages of one key arrive in the order in which they were committed; of a topic',
    ),
    headers: maybe(headers).describe('Beside those of CloudEvents; of a topic'),
    payload,
  })
  .superRefine(({ component: name, topic, key, headers: own }, context) => {
    const complain = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (name === undefined && topic === undefined) complain('topic', 'topic or component is needed: where it goes');
    if (name === undefined) return;
    if (topic !== undefined) complain('topic', 'must not stand beside component: a delivery goes to one of them');
    if (key !== undefined) complain('key', 'is of deliveries to a topic');
    if (own !== undefined) complain('headers', 'is of deliveries to a topic');
  });

export const beginMessage = z
  .strictObject({
    mode: z.literal('message'),
    ...common,
    drive: z.literal('initiator', 'a message is driven by its initiator').default('initiator'),
    check: z
      .strictObject({
        component: identifier.describe('Whose `check` is called'),
        payload,
        afterMs: maybe(checkPolicy.afterMs),
        intervalMs: maybe(checkPolicy.intervalMs),
        maxAttempts: maybe(checkPolicy.maxAttempts),
      })
      .describe('How the producer is asked where neither submit nor abort comes; default: as its component says'),
    deliveries: z.array(delivery).min(1, 'must have at least one delivery').max(LIMITS.branches),
    deliverAt: time.optional().describe('Nothing is delivered before; default: once it is committed'),
  })
  .superRefine(({ deliveries }, context) => uniqueIds(deliveries, context, 'deliveries'));

function uniqueIds(
  branches: readonly { branchId: string }[],
  context: z.RefinementCtx,
  field: 'branches' | 'deliveries' = 'branches',
): void {
  const seen = new Set<string>();
  branches.forEach(({ branchId }, index) => {
    if (seen.has(branchId)) {
      const message = `must be unique, '${branchId}' was used before`;
      context.addIssue({ code: 'custom', path: [field, index, 'branchId'], message });
    }
    seen.add(branchId);
  });
}

export const begin = z.discriminatedUnion(
  'mode',
  [beginTcc, beginSaga, beginMessage],
  "must be 'tcc', 'saga' or 'message'",
);
