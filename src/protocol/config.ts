/** The configuration center in the words of the wire contract: docs/wire.md, section 10. */
import type { FieldError } from './errors.js';
import type { CheckPolicy, Json, RetryPolicy } from './words.js';

export const ENVIRONMENT_NAME = /^[a-z0-9][a-z0-9-]{0,47}$/;
export const NAMESPACE_NAME = /^[a-z0-9][a-z0-9.-]{0,63}$/;
/** Name or value of a label. */
export const LABEL = /^[A-Za-z0-9._-]{1,63}$/;

export const CONFIG_LIMITS = {
  environments: 50,
  /** Of one environment. */
  namespaces: 200,
  contentBytes: 256 * 1024,
  jsonDepth: 64,
  schemaBytes: 64 * 1024,
  rules: 50,
  labels: 20,
  /** Of one content, and the characters of each. */
  secrets: 1000,
  secretChars: 4096,
  /** Of what is released from drafts at once, secrets sealed. */
  releaseBytes: 16 * 1024 * 1024,
  /** That report what they have, of one environment. */
  instances: 10_000,
} as const;

export type ConfigContent = Record<string, Json>;
/** `all`: everybody at once; `gray`: those that a selector finds; `strict`: all live coordinators at one instant. */
export type ReleaseMode = 'all' | 'gray' | 'strict';

/** Whom a gray release is for: all of these labels, and a stable share of those that have them. */
export interface Selector {
  labels: Record<string, string>;
  /** 0.01 to 100. */
  percent: number;
}

/** That a value must stand in a relation to another one: JSON pointers; nothing is said where one of them is absent. */
export interface ConfigRule {
  path: string;
  is: '<' | '<=' | '>' | '>=' | '=' | '!=';
  than: string;
  /** The other value is multiplied by it first; default 1. */
  times?: number;
  /** What is said when it does not hold. */
  message?: string;
}

/** One difference between two contents. */
export interface ConfigChange {
  /** JSON pointer. */
  path: string;
  kind: 'added' | 'removed' | 'changed';
  /** Masked where it is secret. */
  from?: Json;
  to?: Json;
}

export interface ConfigDiffView {
  from: string;
  to: string;
  /** Of the namespaces that differ. */
  namespaces: Record<string, ConfigChange[]>;
}

export interface DraftView {
  /** The release in force that it is based on; null: there was none. */
  base: number | null;
  /** Rises with each write. */
  revision: number;
  content: ConfigContent;
  by: string;
  at: string;
  reason: string;
  /** Why it could not be released. */
  problems: FieldError[];
}

export interface EditorView {
  name: string;
  since: string;
  until: string;
}

export interface NamespaceSummary {
  environment: string;
  namespace: string;
  about: string;
  /** In force; null: none yet. */
  release: number | null;
  hasDraft: boolean;
}

export interface NamespaceView extends NamespaceSummary {
  /** The code's own: neither its schema nor its rules can be put. */
  isBuiltIn: boolean;
  schema: Json;
  rules: ConfigRule[];
  /** In force; null: nothing is. */
  content: ConfigContent | null;
  checksum: string | null;
  draft: DraftView | null;
  /** Who has its edit lock. */
  editor: EditorView | null;
}

export interface EditLockView {
  id: string;
  token: number;
  until: string;
}

export interface RolloutView {
  environment: string;
  release: number;
  mode: 'gray' | 'strict';
  /** Gray runs from its start; strict prepares, and is done or aborted. */
  state: 'preparing' | 'running' | 'done' | 'aborted';
  selector: Selector | null;
  deadlineAt: string | null;
  by: string;
  startedAt: string;
  endedAt: string | null;
  /** Why it was aborted, promoted or widened last. */
  why: string | null;
  /** Of a strict one: who said that it is ready, and who not. */
  acks: { member: string; isReady: boolean; why: string | null }[];
}

export interface ConfigEnvironmentView {
  environment: string;
  /** How many it has. */
  namespaces: number;
  /** Number of its newest release; 0: there was none. */
  lastRelease: number;
  /** Rises with whatever changes what somebody gets. */
  revision: number;
  /** That has not ended. */
  rollout: RolloutView | null;
}

export interface ReleaseSummary {
  environment: string;
  release: number;
  mode: ReleaseMode;
  /** `pending`: its rollout has not ended; `taken back`: it never came into force for all. */
  state: 'pending' | 'in force' | 'replaced' | 'taken back';
  /** The release whose contents a rollback brought back. */
  restores: number | null;
  namespaces: string[];
  checksum: string;
  by: string;
  at: string;
  reason: string;
}

export interface ReleaseView extends ReleaseSummary {
  contents: Record<string, { base: number | null; checksum: string; content: ConfigContent }>;
  /** What it changed against what was in force before it. */
  changes: Record<string, ConfigChange[]>;
  rollout: RolloutView | null;
}

/** What an instance gets. */
export interface ValuesView {
  environment: string;
  /** Of the environment: an answer with a smaller one is older. */
  revision: number;
  /** SHA-256 over the canonical JSON of `namespaces`; give it back as `have`. */
  checksum: string;
  namespaces: Record<string, { release: number; content: ConfigContent }>;
}

export interface ConfigReport {
  /** One start of the instance. */
  incarnation: string;
  labels?: Record<string, string>;
  /** Without another report it counts as gone after this. */
  ttlMs: number;
  namespaces: Record<
    string,
    {
      release: number;
      /** Of the content; absent where it has secrets in clear. */
      checksum?: string | undefined;
      state: 'applied' | 'rejected';
      reason?: string | undefined;
    }
  >;
}

export interface ConfigNodeView {
  instance: string;
  incarnation: string;
  labels: Record<string, string>;
  isAlive: boolean;
  reportedAt: string;
  namespaces: Record<
    string,
    {
      /** The release that it should have. */
      desired: number | null;
      /** The last one that it said it took. */
      applied: number | null;
      /** `late`: it has not said anything of the desired one. */
      state: 'applied' | 'late' | 'rejected';
      /** When it took what it has. */
      since: string | null;
      /** Why it rejected the desired one; or what waits for a restart. */
      reason: string | null;
    }
  >;
}

export interface ConfigAuditView {
  id: number;
  at: string;
  by: string;
  action: string;
  environment: string;
  namespace: string | null;
  release: number | null;
  reason: string | null;
  /** What it changed, masked. */
  changes: ConfigChange[] | null;
}

/** What counts of a component for a transaction that is begun now. */
export interface ComponentEffective {
  paused: boolean;
  concurrency: number;
  /** Null: no limit. */
  callsPerSecond: number | null;
  timeoutMs: number;
  retry: RetryPolicy;
  check: CheckPolicy;
  /** By path, such as `retry.capMs`: `default`, `registration`, or `release 12`. */
  sources: Record<string, string>;
}
