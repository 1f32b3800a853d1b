/** What the leaves need from their surroundings: relay, locks, ids. */

export interface Clock {
  /** ms since the epoch. */
  now(): number;
  /** ms since some moment; never goes back. */
  monotonic(): number;
  /** Runs once after `ms`; the function returned stops that. */
  after(ms: number, run: () => void): () => void;
}

export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
