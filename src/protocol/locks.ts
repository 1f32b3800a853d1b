/** Locks in the words of the wire contract: docs/wire.md, section 9. */

/** Who has a lock. */
export interface LockView {
  name: string;
  node: string;
  token: number;
  since: string;
  /** It ends then, unless it is renewed. */
  until: string;
}

/** A lock that a person took from its holder. */
export interface LockReleaseView {
  at: string;
  by: string;
  reason: string;
  /** The holder. */
  node: string;
  token: number;
  since: string;
}

export interface OneLockView {
  name: string;
  /** Null: nobody has it. */
  holder: Omit<LockView, 'name'> | null;
  /** The last twenty, the newest first, for as long as history is kept. */
  releases: LockReleaseView[];
}
