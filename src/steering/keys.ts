/**
 * Every value of namespace `coordinator` of environment `tercet`: what the coordinators go by that a person may change while
 * they run. The schema that a release must fit, what a node takes of it and docs/coordinator-settings.md follow from this.
 *
 * Not here, and on purpose: the lease, which all nodes must agree on before they can agree on anything, and the allowed
 * targets, which are a border that nobody should be able to move from outside.
 */
import { z } from 'zod';
import { checkPolicy, retryPolicy, whole } from '../protocol/fields.js';
import { ALERT_AGE_MS, LOG_LEVELS, MAX_REQUESTS, MAX_UNFINISHED, POLICIES, RETENTION_DAYS } from './bounds.js';
import type { Bounds } from './bounds.js';

/**
 * `live`: what is in force counts at once. `pinned`: a transaction keeps what the release says that it began under, on
 * whatever node. `restart`: a node keeps what it started with.
 */
export type Kind = 'live' | 'pinned' | 'restart';

export interface Key<T = unknown> {
  readonly kind: Kind;
  readonly schema: z.ZodType<T>;
  /** One line. */
  readonly help: string;
}

/** Of the node as a whole. */
export interface NodeKey<T = unknown> extends Key<T> {
  /** While no release says otherwise, and neither does the setting. */
  readonly standard: T;
  /** Of the process, of the same meaning: counts while no release says otherwise. */
  readonly setting: string | null;
}

/** Of one component. */
export interface ComponentKey<T = unknown> extends Key<T> {
  /** While no release says otherwise; `registration`: what the component registered with. */
  readonly standard: T | 'registration';
}

const within = ({ from, to }: Bounds): z.ZodInt => whole(from, to);
const node = <T>(
  kind: Kind,
  schema: z.ZodType<T>,
  standard: NoInfer<T>,
  help: string,
  setting: string | null = null,
): NodeKey<T> => ({ kind, schema, standard, help, setting });
const ofComponent = <T>(
  kind: Kind,
  schema: z.ZodType<T>,
  standard: NoInfer<T> | 'registration',
  help: string,
): ComponentKey<T> => ({ kind, schema, standard, help });

const perSecond = z.number().min(0.1).max(1_000_000).nullable();
const retry = retryPolicy.shape;

export const NODE_KEYS = {
  'log.level': node('live', z.enum(LOG_LEVELS), 'info', 'what is logged, and all that is worse', 'TERCET_LOG_LEVEL'),
  'limits.unfinished': node(
    'live',
    within(MAX_UNFINISHED),
    MAX_UNFINISHED.default,
    'transactions that a node drives at a time, above which begins are 429; three quarters of it for one component',
    'TERCET_MAX_UNFINISHED',
  ),
  'limits.requests': node(
    'live',
    within(MAX_REQUESTS),
    MAX_REQUESTS.default,
    'requests in flight on a node, above which others are 503',
    'TERCET_MAX_REQUESTS',
  ),
  'limits.beginsPerSecond': node(
    'live',
    perSecond,
    null,
    'begins a second on each node, above which they are 429; after a rest as many at once; null: as many as come',
  ),
  'recovery.batch': node(
    'live',
    whole(1, 10_000),
    200,
    'transactions of dead nodes that a node takes over with one statement',
  ),
  'relay.rows': node('live', whole(1, 10_000), 500, 'messages that go to Kafka in one batch'),
  'relay.bytes': node(
    'live',
    whole(1000, 100_000_000),
    900_000,
    'bytes of one batch to Kafka, less than message.max.bytes of the brokers; a message that is larger goes alone',
  ),
  deadLetters: node(
    'live',
    z.enum(POLICIES),
    'block',
    'a message that Kafka refuses for good holds up those of its key (block), or is put aside (skip)',
    'TERCET_DEAD_LETTERS',
  ),
  'retention.days': node(
    'live',
    within(RETENTION_DAYS),
    RETENTION_DAYS.default,
    'how long a transaction is kept after its end; looked at about every hour',
    'TERCET_RETENTION_DAYS',
  ),
  'alerts.ageMs': node(
    'live',
    within(ALERT_AGE_MS),
    ALERT_AGE_MS.default,
    'a transaction is told of by TERCET_ALERT_URL when it is unfinished for so long',
    'TERCET_ALERT_AGE_MS',
  ),
  'database.connections': node(
    'restart',
    whole(1, 100),
    8,
    'connections of the log to PostgreSQL, beside those for group commit, lease and lists',
  ),
} as const;

/** Under `components.NAME`. */
export const COMPONENT_KEYS = {
  paused: ofComponent('live', z.boolean(), false, 'nothing is called, no attempt is used up; begins are accepted'),
  concurrency: ofComponent(
    'live',
    whole(1, 100_000),
    'registration',
    'calls at a time, for each node; others wait in line',
  ),
  callsPerSecond: ofComponent('live', perSecond, null, 'calls a second, for each node; others wait in line; null: any'),
  timeoutMs: ofComponent('pinned', whole(1, 600_000), 'registration', 'how long one call may take'),
  'retry.baseMs': ofComponent('pinned', given(retry.baseMs), 'registration', 'pause before the second attempt'),
  'retry.factor': ofComponent(
    'pinned',
    given(retry.factor),
    'registration',
    'each further pause is so many times longer',
  ),
  'retry.capMs': ofComponent(
    'pinned',
    given(retry.capMs),
    'registration',
    'no pause is longer; not under retry.baseMs where a release gives both',
  ),
  'retry.jitter': ofComponent(
    'pinned',
    given(retry.jitter),
    'registration',
    'share of a pause that is spread to either side',
  ),
  'retry.maxAttempts': ofComponent(
    'pinned',
    given(retry.maxAttempts),
    'registration',
    'of confirm, cancel, compensate and deliver; then the transaction is parked',
  ),
  'retry.maxAgeMs': ofComponent(
    'pinned',
    given(retry.maxAgeMs),
    'registration',
    'age at which an operation is given up, whatever its answers',
  ),
  'retry.tryAttempts': ofComponent(
    'pinned',
    given(retry.tryAttempts),
    'registration',
    'of try and action; then the transaction is aborted',
  ),
  'check.afterMs': ofComponent(
    'pinned',
    checkPolicy.afterMs,
    'registration',
    'age of the half message before its producer is asked',
  ),
  'check.intervalMs': ofComponent(
    'pinned',
    checkPolicy.intervalMs,
    'registration',
    'pause after the first check; each further one is longer',
  ),
  'check.maxAttempts': ofComponent(
    'pinned',
    checkPolicy.maxAttempts,
    'registration',
    'checks that reached the producer; then the transaction is parked',
  ),
} as const;

/** Without the default: what a release does not say is as it was registered. */
function given<S extends z.ZodType>(schema: z.ZodDefault<S>): S {
  return schema.unwrap();
}

type Of<K> = { readonly [P in keyof K]: K[P] extends Key<infer T> ? T : never };
/** By path. */
export type NodeValues = Of<typeof NODE_KEYS>;
/** By path under `components.NAME`; what is absent was not given. */
export type ComponentValues = Partial<Of<typeof COMPONENT_KEYS>>;
export type NodePath = keyof NodeValues;
export type ComponentPath = keyof typeof COMPONENT_KEYS;

/** What a node goes by that has neither a setting nor a release. */
export const STANDARD: NodeValues = Object.freeze(
  Object.fromEntries(
    Object.entries(NODE_KEYS).map(([path, { standard }]) => [path, standard]),
  ) as unknown as NodeValues,
);
