/** The words of the wire contract (docs/wire.md) as plain types: no code that a client would have to install. */

import type { ConfigChange } from './config.js';

export const MODES = ['tcc', 'saga', 'message'] as const;
export type Mode = (typeof MODES)[number];

export const OPS = ['try', 'confirm', 'cancel', 'action', 'compensate', 'check', 'deliver'] as const;
export type Op = (typeof OPS)[number];

export const STATUSES = ['open', 'committing', 'committed', 'aborting', 'aborted'] as const;
export type Status = (typeof STATUSES)[number];

export type Decision = 'commit' | 'abort';
export type Drive = 'coordinator' | 'initiator';
/** What a saga does when a branch fails: undo what was done, or go on until it is done. */
export type Recovery = 'backward' | 'forward';
export type Wait = 'accepted' | 'decided' | 'settled';

export const BRANCH_STATES = [
  'waiting',
  'started',
  'done',
  'refused',
  'confirmed',
  'cancelled',
  'compensated',
  'delivered',
  'queued',
  'forced',
] as const;
export type BranchState = (typeof BRANCH_STATES)[number];

export const REASON_KINDS = ['refused', 'unknown', 'deadline', 'requested', 'operator'] as const;
/** Why a transaction was aborted. */
export interface Reason {
  kind: (typeof REASON_KINDS)[number];
  branchId?: string;
  detail?: string;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** How often and how long a call is repeated; see docs/wire.md section 3. Durations in milliseconds. */
export interface RetryPolicy {
  /** Pause before the second attempt. */
  baseMs: number;
  /** What each further pause is multiplied by. */
  factor: number;
  /** No pause is longer than this, jitter aside. */
  capMs: number;
  /** Share of the pause that is spread at random to either side, 0 to 1. */
  jitter: number;
  /** Attempts of confirm, cancel, compensate and deliver before the transaction is parked. */
  maxAttempts: number;
  /** Age of an operation, pending answers included, after which it is given up. */
  maxAgeMs: number;
  /** Attempts of try and action before the transaction is aborted. */
  tryAttempts: number;
}

/** How the producer of a half message is asked what became of it; see docs/wire.md section 4. */
export interface CheckPolicy {
  /** Age of the half message before it is asked after, ms. */
  afterMs: number;
  /** Pause after the first check, ms; each further one is longer. */
  intervalMs: number;
  /** Checks that reached the producer before the transaction is parked. */
  maxAttempts: number;
}

/** What a message gets that says nothing of checks, and whose component says nothing either. */
export const DEFAULT_CHECK: CheckPolicy = { afterMs: 6000, intervalMs: 30_000, maxAttempts: 15 };

/** The branchId of the check, which is no delivery and not shown as one. */
export const CHECK_BRANCH = 'check';

/** What a component gets that says nothing of retries. */
export const DEFAULT_RETRY: RetryPolicy = {
  baseMs: 200,
  factor: 2,
  capMs: 30_000,
  jitter: 0.2,
  maxAttempts: 25,
  maxAgeMs: 86_400_000,
  tryAttempts: 3,
};

/** What the node that answers has seen of its own calls; no other node's are counted. */
export interface CallsView {
  /** Under way now. */
  inFlight: number;
  /** Share of the last minute's calls that the service could not answer, 0 to 1; 0 where there were none. */
  failureRate: number;
  /** `open`: not called, for it did not answer; `probing`: one call finds out whether it does again. */
  breaker: 'closed' | 'open' | 'probing';
}

/** One running instance of a component, as it last said. */
export interface InstanceView extends CallsView {
  instance: string;
  url: string;
  /** How long one heartbeat lasts. */
  ttlMs: number;
  lastBeatAt: string;
  aliveUntil: string;
  isAlive: boolean;
}

export interface ComponentView {
  name: string;
  url: string | null;
  endpoints: Partial<Record<Op, string>>;
  timeoutMs: number;
  concurrency: number;
  retry: RetryPolicy;
  /** Of messages that name it in `check` and say nothing else. */
  check: CheckPolicy;
  version: string | null;
  createdAt: string;
  updatedAt: string;
  /** By name. */
  instances: InstanceView[];
  /** Of calls to the component's own URLs. */
  calls: CallsView;
}

export interface BranchView {
  branchId: string;
  /** Null: it goes to a topic. */
  component: string | null;
  state: BranchState;
  attempts: number;
  reply: Json;
  /** Of a message: where in Kafka it goes, and under which key. */
  topic?: string;
  key?: string | null;
  /** Of a saga: the branches that it comes after. */
  after?: string[];
  /** Of a saga: whether an abort undoes it once it was started. */
  compensate?: boolean;
  /** Of a saga: whether its success is the decision to commit. */
  pivot?: boolean;
}

export interface TransactionView {
  gid: string;
  mode: Mode;
  businessKey: string | null;
  /** Of the coordinators' configuration: what it began under and goes by till its end; null: none was released then. */
  release: number | null;
  status: Status;
  decision: Decision | null;
  reason: Reason | null;
  parked: { at: string; branchId: string | null; op: Op | null; why: string } | null;
  /** Of a saga. */
  recovery?: Recovery;
  /** Of a saga: branches that may run at a time. */
  parallel?: number;
  /** Of a message: how its producer is asked, how often that was done, and when it will be next. */
  check?: CheckPolicy & { component: string; attempts: number; nextAt: string | null };
  /** Of a message: before when nothing of it is delivered; null: at once. */
  deliverAt?: string | null;
  branches: BranchView[];
  beganAt: string;
  decidedAt: string | null;
  endedAt: string | null;
  deadlineAt: string | null;
}

export const EVENT_KINDS = ['begun', 'call', 'paused', 'decided', 'parked', 'operator', 'ended'] as const;
export interface EventView {
  at: string;
  node: string;
  kind: (typeof EVENT_KINDS)[number];
  branchId?: string;
  op?: Op;
  attempt?: number;
  outcome?: 'done' | 'refused' | 'pending' | 'unknown';
  durationMs?: number;
  detail?: string;
  /** How many equal events in a row this one stands for; absent for one. */
  count?: number;
}

export interface TimelineView {
  gid: string;
  events: EventView[];
}

/** What a bulk order did, or with `dryRun` would do. */
export interface BulkView {
  action: 'retry' | 'park' | 'resume' | 'abort';
  dryRun: boolean;
  /** How many the filter found, up to the limit. */
  matched: number;
  /** Whether it finds more than that. */
  more: boolean;
  done: number;
  /** The first hundred of those that were not done, and why. */
  failed: { gid: string; code: string; detail: string }[];
}

/** The body of a call to a participant; see docs/wire.md section 7. */
export interface ParticipantCall {
  gid: string;
  branchId: string;
  op: Op;
  attempt: number;
  mode: Mode;
  component: string;
  beganAt: string;
  payload: Json;
  reply: Json;
}

/** One thing that was looked at. */
export interface CheckView {
  name: string;
  /** `warning`: nothing fails because of it yet. */
  ok: boolean | 'warning';
  /** What was found. */
  detail: string;
  /** What to do; null where nothing is. */
  advice: string | null;
}

/** What the node that answers found when it looked at itself and around. */
export interface DiagnosisView {
  node: string;
  version: string;
  checks: CheckView[];
}

/** RFC 9457 problem, with the code of docs/errors.md. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  errors?: { path: string; message: string }[];
  /** Of a configuration that has changed since: what differs, masked. */
  diff?: ConfigChange[];
}

export const HEADERS = {
  gid: 'tercet-gid',
  branch: 'tercet-branch',
  op: 'tercet-op',
  attempt: 'tercet-attempt',
  timeoutMs: 'tercet-timeout-ms',
  signature: 'tercet-signature',
} as const;

/** 1 to 128 characters; `.` and `..` are refused because they would vanish from a URL path. */
export const IDENTIFIER = /^(?!\.{1,2}$)[A-Za-z0-9._:-]{1,128}$/;

/** The name of a Kafka topic. */
export const TOPIC = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/;
/** The name of a header that a message to a topic may have. */
export const HEADER_NAME = /^[A-Za-z0-9_.-]{1,128}$/;
/** Headers that whoever hands on the message sets: nobody else may. */
export const OWN_HEADERS: readonly string[] = [
  'ce_specversion',
  'ce_id',
  'ce_time',
  'ce_partitionkey',
  'ce_gid',
  'ce_branchid',
  'traceparent',
  'tracestate',
];

export const LIMITS = {
  bodyBytes: 1024 * 1024,
  payloadBytes: 256 * 1024,
  replyBytes: 64 * 1024,
  repliesBytesPerTransaction: 1024 * 1024,
  jsonDepth: 64,
  branches: 1000,
  /** Of one message to a topic: how many headers, and the length of each value and of the key. */
  headers: 64,
  headerChars: 1024,
  keyChars: 1024,
  /** References to replies in one payload of a saga, and the length of each pointer. */
  references: 64,
  pointerChars: 256,
  waitMs: 60_000,
  /** Transactions of one bulk order. */
  bulk: 10_000,
} as const;
