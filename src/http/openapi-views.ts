/** What the coordinator answers, as JSON schemas. The compiler demands every field of a view. */
import { BRANCH_STATES, EVENT_KINDS, MODES, OPS, REASON_KINDS, STATUSES } from '../protocol/words.js';
import type {
  BranchView,
  BulkView,
  CheckPolicy,
  CallsView,
  CheckView,
  ComponentView,
  DiagnosisView,
  EventView,
  InstanceView,
  Problem,
  Reason,
  RetryPolicy,
  TimelineView,
  TransactionView,
} from '../protocol/words.js';
import type { LockReleaseView, LockView, OneLockView } from '../protocol/locks.js';
import type { DeadLetterView, OutboxView, RelayView, TroubleView } from '../protocol/outbox.js';
import type { PreparedCall } from '../engine/ports.js';
import { CONFIG_VIEWS } from './openapi-config-views.js';
import {
  anyJson,
  byName,
  change,
  count,
  fieldError,
  list,
  number,
  object,
  oneOf,
  orNull,
  text,
  time,
  view,
} from './openapi-fields.js';
import type { Fields, Schema } from './openapi-fields.js';

const branch: Fields<BranchView> = {
  branchId: text,
  component: orNull(text),
  state: oneOf(...BRANCH_STATES),
  attempts: count,
  reply: anyJson,
  after: list(text),
  compensate: { type: 'boolean' },
  pivot: { type: 'boolean' },
  topic: text,
  key: orNull(text),
};
/** Of some modes alone. */
const ofSome = ['after', 'compensate', 'pivot', 'topic', 'key'] as const;
const checkPolicy: Fields<CheckPolicy> = { afterMs: count, intervalMs: count, maxAttempts: count };
const check: Fields<NonNullable<TransactionView['check']>> = {
  ...checkPolicy,
  component: text,
  attempts: count,
  nextAt: orNull(time),
};
const reason = object<Reason>({ kind: oneOf(...REASON_KINDS), branchId: text, detail: text }, ['branchId', 'detail']);
const parked = object<NonNullable<TransactionView['parked']>>({
  at: time,
  branchId: orNull(text),
  op: orNull(oneOf(...OPS)),
  why: text,
});
const calls: Fields<CallsView> = {
  inFlight: count,
  failureRate: { type: 'number', minimum: 0, maximum: 1 },
  breaker: oneOf('closed', 'open', 'probing'),
};
const retry = object<RetryPolicy>({
  baseMs: count,
  factor: number,
  capMs: count,
  jitter: number,
  maxAttempts: count,
  maxAgeMs: count,
  tryAttempts: count,
});
const event = object<EventView>(
  {
    at: time,
    node: text,
    kind: oneOf(...EVENT_KINDS),
    branchId: text,
    op: oneOf(...OPS),
    attempt: count,
    outcome: oneOf('done', 'refused', 'pending', 'unknown'),
    durationMs: count,
    detail: text,
    count,
  },
  ['branchId', 'op', 'attempt', 'outcome', 'durationMs', 'detail', 'count'],
);

const trouble: Fields<TroubleView> = { why: text, since: time };
const relay = object<RelayView>({
  relay: text,
  buckets: count,
  sent: count,
  batches: count,
  failures: count,
  dead: count,
  broker: orNull(object(trouble)),
  database: orNull(object(trouble)),
  blockedCount: count,
  blocked: list(object<RelayView['blocked'][number]>({ ...trouble, topic: text, key: orNull(text), id: orNull(text) })),
});
const deadLetter: Fields<DeadLetterView> = {
  id: text,
  messageId: text,
  topic: text,
  key: orNull(text),
  error: text,
  bytes: count,
  createdAt: time,
  failedAt: time,
};

const holder: Fields<Omit<LockView, 'name'>> = { node: text, token: count, since: time, until: time };

export const VIEWS = {
  Transaction: object<TransactionView>(
    {
      gid: text,
      mode: oneOf(...MODES),
      businessKey: orNull(text),
      release: orNull(count),
      status: oneOf(...STATUSES),
      decision: orNull(oneOf('commit', 'abort')),
      reason: orNull(reason),
      parked: orNull(parked),
      recovery: oneOf('backward', 'forward'),
      parallel: count,
      check: object(check),
      deliverAt: orNull(time),
      branches: list(object(branch, ofSome)),
      beganAt: time,
      decidedAt: orNull(time),
      endedAt: orNull(time),
      deadlineAt: orNull(time),
    },
    ['recovery', 'parallel', 'check', 'deliverAt'],
  ),
  Transactions: object<{ transactions: TransactionView[]; next: string | null }>({
    transactions: list(view('Transaction')),
    next: orNull(text),
  }),
  RegisteredBranch: object<BranchView & { gid: string; call: PreparedCall }>(
    {
      gid: text,
      ...branch,
      call: object<PreparedCall>({
        url: text,
        headers: byName(text),
        body: { ...text, contentMediaType: 'application/json' },
      }),
    },
    ofSome,
  ),
  Timeline: object<TimelineView>({ gid: text, events: list(event) }),
  Bulk: object<BulkView>({
    action: oneOf('retry', 'park', 'resume', 'abort'),
    dryRun: { type: 'boolean' },
    matched: count,
    more: { type: 'boolean' },
    done: count,
    failed: list(object<BulkView['failed'][number]>({ gid: text, code: text, detail: text })),
  }),
  Outbox: object<OutboxView>({
    rows: count,
    oldestAt: orNull(time),
    dead: count,
    topics: list(object<OutboxView['topics'][number]>({ topic: text, rows: count, oldestAt: time })),
    relays: list(
      object<OutboxView['relays'][number]>({ relay: text, isAlive: { type: 'boolean' }, until: time, buckets: count }),
    ),
    unownedBuckets: count,
    here: orNull(relay),
  }),
  DeadLetter: object<DeadLetterView>(deadLetter),
  DeadLetters: object<{ messages: DeadLetterView[]; next: string | null }>({
    messages: list(view('DeadLetter')),
    next: orNull(text),
  }),
  Lock: object<LockView>({ name: text, ...holder }),
  Locks: object<{ locks: LockView[] }>({ locks: list(view('Lock')) }),
  OneLock: object<OneLockView>({
    name: text,
    holder: orNull(object<Omit<LockView, 'name'>>(holder)),
    releases: list(
      object<LockReleaseView>({ at: time, by: text, reason: text, node: text, token: count, since: time }),
    ),
  }),
  Component: object<ComponentView>({
    name: text,
    url: orNull(text),
    endpoints: byName(text),
    timeoutMs: count,
    concurrency: count,
    retry,
    check: object(checkPolicy),
    version: orNull(text),
    createdAt: time,
    updatedAt: time,
    instances: list(view('Instance')),
    calls: object<CallsView>(calls),
  }),
  Instance: object<InstanceView>({
    instance: text,
    url: text,
    ttlMs: count,
    lastBeatAt: time,
    aliveUntil: time,
    isAlive: { type: 'boolean' },
    ...calls,
  }),
  Components: object<{ components: ComponentView[] }>({
    components: list(view('Component')),
  }),
  Diagnosis: object<DiagnosisView>({
    node: text,
    version: text,
    checks: list(
      object<CheckView>({ name: text, ok: { enum: [true, false, 'warning'] }, detail: text, advice: orNull(text) }),
    ),
  }),
  ...CONFIG_VIEWS,
  Live: object<{ live: true }>({ live: { const: true } }),
  Ready: object<{ ready: boolean; problems: string[]; warnings: string[] }>({
    ready: { type: 'boolean' },
    problems: list(text),
    warnings: list(text),
  }),
  Problem: object<Problem>(
    {
      type: text,
      title: text,
      status: count,
      detail: text,
      code: text,
      errors: list(fieldError),
      diff: list(change),
    },
    ['errors', 'diff'],
  ),
} as const satisfies Record<string, Schema>;
export type ViewName = keyof typeof VIEWS;
