/** The requests of the configuration center, docs/wire.md section 10, as schemas. Only the server uses them. */
import { z } from 'zod';
import { CONFIG_LIMITS, ENVIRONMENT_NAME, LABEL, NAMESPACE_NAME } from './config.js';
import { identifier, maybe, text, whole } from './fields.js';
import { number } from './schema.js';
import { LIMITS } from './words.js';

/** A hash has as many hex digits. */
const SHA256 = /^[0-9a-f]{64}$/;
/** As large as a number of a release may be. */
const MAX_NUMBER = 2_147_483_647;

export const environmentName = z
  .string()
  .regex(ENVIRONMENT_NAME, 'must be 1 to 48 characters of a-z 0-9 -, not - first');
export const namespaceName = z
  .string()
  .regex(NAMESPACE_NAME, 'must be 1 to 64 characters of a-z 0-9 . -, not . or - first');
export const namespaceNames = z.strictObject({ environment: environmentName, namespace: namespaceName });
export const releaseNumber = z
  .string()
  .regex(/^[1-9]\d{0,9}$/, 'must be the number of a release')
  .transform(Number)
  .pipe(whole(1, MAX_NUMBER));

const anObject = z
  .unknown()
  .refine((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'must be an object')
  .meta({ type: 'object' });
const reason = text(1000);
const pointer = z
  .string()
  .max(LIMITS.pointerChars)
  .regex(/^(\/([^~/]|~[01])*)+$/, 'must be a JSON pointer, such as /limits/max');
const rule = z.strictObject({
  path: pointer,
  is: z.enum(['<', '<=', '>', '>=', '=', '!=']),
  than: pointer,
  times: maybe(z.number()),
  message: maybe(text(256)),
});
const labelText = z.string().regex(LABEL, 'must be 1 to 63 characters of A-Z a-z 0-9 . _ -');
const labels = z
  .record(labelText, labelText)
  .refine((given) => Object.keys(given).length <= CONFIG_LIMITS.labels, `must be ${CONFIG_LIMITS.labels} at most`);
const percent = z.number().min(0.01).max(100);

export const namespacePut = z.strictObject({
  about: z.union([z.literal(''), text(256)]).optional(),
  schema: z.union([anObject, z.null()]).optional().describe('JSON Schema; null takes it away'),
  rules: z.array(rule).max(CONFIG_LIMITS.rules).optional(),
});

export const draftPut = z.strictObject({
  base: z.union([whole(1, MAX_NUMBER), z.null()]).describe('The release in force that it changes; null: there is none'),
  revision: whole(0, MAX_NUMBER).optional().describe('Of the draft that was seen; 0 or absent: there was none'),
  content: anObject,
  reason,
  lock: z.strictObject({ id: text(200), token: whole(1, Number.MAX_SAFE_INTEGER) }).optional(),
});
export const draftDrop = z.strictObject({ reason, revision: number(whole(1, MAX_NUMBER)) });

const ttlMs = whole(5000, 600_000).default(60_000);
export const lockTake = z.strictObject({ ttlMs });
export const lockRenew = z.strictObject({ id: text(200), token: whole(1, Number.MAX_SAFE_INTEGER), ttlMs });
export const lockGive = z.strictObject({ id: text(200), token: number(whole(1, Number.MAX_SAFE_INTEGER)) });

const rolloutOrder = {
  reason,
  mode: z.enum(['all', 'gray', 'strict']).default('all'),
  gray: z.strictObject({ labels: maybe(labels), percent: maybe(percent) }).optional(),
  strict: z
    .strictObject({ deadlineMs: whole(100, 600_000).optional(), onSilent: z.enum(['abort', 'evict']).default('abort') })
    .optional(),
  dryRun: z.boolean().default(false),
};
/** Whatever is said of another mode would not be looked at. */
function fitsMode(order: z.output<z.ZodObject<typeof rolloutOrder>>, context: z.core.$RefinementCtx): void {
  const complain = (path: 'gray' | 'strict', message: string): void => {
    context.issues.push({ code: 'custom', path: [path], message, input: order[path] });
  };
  if (order.gray && order.mode !== 'gray') complain('gray', "stands with mode 'gray' alone");
  if (order.strict && order.mode !== 'strict') complain('strict', "stands with mode 'strict' alone");
  const isForSome = order.gray?.labels !== undefined || order.gray?.percent !== undefined;
  if (order.mode === 'gray' && !isForSome) complain('gray', 'must have labels or percent: whom the release is for');
}
export const release = z
  .strictObject({ namespaces: listOfNames(z.array(namespaceName)).optional(), ...rolloutOrder })
  .superRefine(fitsMode);
export const rollback = z.strictObject(rolloutOrder).superRefine(fitsMode);

export const rolloutEnd = z.strictObject({ reason });
export const widen = z
  .strictObject({ labels: maybe(labels), percent: maybe(percent), reason })
  .refine((asked) => asked.labels !== undefined || asked.percent !== undefined, {
    path: ['percent'],
    message: 'percent or labels is needed: for whom it is from now on',
  });

const label = LABEL.source.slice(1, -1);
/** `k=v,k2=v2` */
const labelList = z
  .string()
  .max(CONFIG_LIMITS.labels * 128)
  .regex(new RegExp(`^${label}=${label}(,${label}=${label})*$`), 'must be like a=b,c=d')
  .transform((list) => Object.fromEntries(list.split(',').map((pair) => pair.split('=') as [string, string])))
  .pipe(labels);
const point = z
  .string()
  .regex(/^([1-9]\d{0,8}|draft|current)$/, "must be the number of a release, 'draft' or 'current'");

export const preview = z.strictObject({
  labels: labelList.default({}),
  percent: z
    .string()
    .regex(/^\d{1,3}(\.\d{1,4})?$/, 'must be a number')
    .transform(Number)
    .pipe(percent)
    .default(100),
});
export const comparison = z.strictObject({ from: point, to: point, namespace: namespaceName.optional() });
export const releasePage = z.strictObject({
  limit: number(whole(1, 500)).default(50),
  before: number(whole(1, MAX_NUMBER)).optional(),
});
export const auditPage = z.strictObject({
  limit: number(whole(1, 500)).default(50),
  before: number(whole(1, Number.MAX_SAFE_INTEGER)).optional(),
});

export const values = z.strictObject({
  namespaces: z
    .string()
    .max(CONFIG_LIMITS.namespaces * 65)
    .regex(/^[a-z0-9][a-z0-9.-]{0,63}(,[a-z0-9][a-z0-9.-]{0,63})*$/, 'must be names of namespaces with commas between')
    .transform((list) => list.split(','))
    .pipe(listOfNames(z.array(z.string()))),
  instance: identifier,
  labels: labelList.default({}),
  have: z.string().regex(SHA256, 'must be the checksum of an answer').optional(),
  waitMs: number(whole(0, LIMITS.waitMs)).default(0),
  secrets: z.enum(['masked', 'plain']).default('masked'),
});

export const report = z.strictObject({
  incarnation: text(128),
  labels: labels.default({}),
  ttlMs: whole(1000, 600_000),
  namespaces: z
    .record(
      namespaceName,
      z.strictObject({
        release: whole(1, MAX_NUMBER),
        checksum: z.string().regex(SHA256, 'must be 64 hex digits').optional(),
        state: z.enum(['applied', 'rejected']),
        reason: text(2000).optional(),
      }),
    )
    .refine(
      (given) => Object.keys(given).length <= CONFIG_LIMITS.namespaces,
      `must be ${CONFIG_LIMITS.namespaces} at most`,
    ),
});

function listOfNames<S extends z.ZodArray<z.ZodString>>(list: S): S {
  return list
    .min(1)
    .max(CONFIG_LIMITS.namespaces)
    .refine((names) => new Set(names).size === names.length, 'must not name one twice');
}
