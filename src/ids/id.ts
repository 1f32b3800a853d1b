/** One interface for all that makes ids. */

export type IdKind = 'uuidv7' | 'snowflake' | 'segment' | 'sequence' | 'redis';

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
  close(): Promise<void>;
}
