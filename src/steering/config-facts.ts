/** How it stands with what a node goes by, for people and metrics. */
export interface ConfigFacts {
  /** Releases; null: none. */
  readonly desired: number | null;
  readonly applied: number | null;
  readonly epoch: number;
  readonly rejects: number;
  /** Why the desired one was not taken; null: it was. */
  readonly rejected: string | null;
  /** What it says and a start would put to use. */
  readonly atNextStart: readonly string[];
  /** Since when changes are not seen, ms since the epoch, and why; null: they are. */
  readonly unseen: { readonly since: number; readonly why: string } | null;
}
