/** One interface for all that makes ids. */

export type IdKind = 'uuidv7' | 'snowflake' | 'segment' | 'sequence' | 'redis';

/** What a generator has done since it was made, and how far it would come without its store. */
export interface IdFacts {
  readonly made: number;
  /** How often its store was asked, and how often that failed. */
  readonly asked: number;
  readonly failures: number;
  /** Steps back of the clock by more than 5 ms that it noticed. */
  readonly stepsBack: number;
  /** How often it waited for the next millisecond. */
  readonly waits: number;
  /** Ids that it can make while its store is away; null: that depends on time, or it has no store. */
  readonly left: number | null;
  /** How long it goes on while its store is away, in ms; null: that depends on the rate, or it has no store. */
  readonly leftMs: number | null;
}

export interface Ids {
  readonly kind: IdKind;
  /**
   * An id that no generator of the same store and name ever made or makes, as text: a number of 64 bits is none of
   * JavaScript's.
   *
   * @throws CodedError TERCET_ID_UNAVAILABLE when its store is away for longer than it can go on alone; TERCET_ID_UNSAFE
   * when the next one could be a repetition. Nothing is lost by asking again.
   */
  next(): Promise<string>;
  /** What a person should know now: a store that is away, a clock that was set back, time bits that run out. */
  warnings(): readonly string[];
  facts(): IdFacts;
  /** Gives back what others can use; no id comes after it. */
  close(): Promise<void>;
}
