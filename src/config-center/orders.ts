/** What the configuration center is asked to do. */
import type { ConfigContent, ConfigRule, ReleaseMode, Selector } from '../protocol/config.js';
import type { Json } from '../protocol/words.js';

/** What is absent stays as it is. */
export interface NamespacePut {
  readonly about?: string | undefined;
  /** Null: none. */
  readonly schema?: Json | undefined;
  readonly rules?: ConfigRule[] | undefined;
}

export interface DraftWrite {
  /** The release in force that it is based on; null: there is none. */
  readonly base: number | null;
  /** Of the draft that it is based on; absent or 0: there is none. */
  readonly revision?: number | undefined;
  /** Secrets in clear, or masked: those stay as they are. */
  readonly content: ConfigContent;
  readonly reason: string;
  /** Absent: the edit lock is taken for the time of the write. */
  readonly lock?: EditClaim | undefined;
}

/** The edit lock as it was got. */
export interface EditClaim {
  readonly id: string;
  readonly token: number;
}

/** The draft is this one. */
export interface DraftDrop {
  readonly revision: number;
  readonly reason: string;
}

interface Rolling {
  readonly reason: string;
  readonly mode: ReleaseMode;
  /** What is absent selects everybody. */
  readonly gray?: Partial<Selector> | undefined;
  /** `deadlineMs`: how long it may take until all are ready, default three leases. `onSilent`: of nodes that do not say. */
  readonly strict?:
    { readonly deadlineMs?: number | undefined; readonly onSilent?: 'abort' | 'evict' | undefined } | undefined;
  /** Looks whether it could be done, and writes nothing. */
  readonly dryRun?: boolean | undefined;
}

export interface ReleaseOrder extends Rolling {
  /** Default: all that have a draft. */
  readonly namespaces?: readonly string[] | undefined;
}

export type RollbackOrder = Rolling;

export interface WidenOrder extends Partial<Selector> {
  readonly reason: string;
}

/** The newest first. */
export interface Page {
  readonly limit: number;
  /** Only what is older than this one; null: from the newest. */
  readonly before: number | null;
}
