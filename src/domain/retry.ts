import type { RetryPolicy } from '../protocol/words.js';

/**
 * The pause before the next attempt, in milliseconds: base · factor^(attempt−1), capped, then spread by
 * ±jitter. `draw` in [0, 1) is the caller's randomness, so that the same inputs give the same pause.
 *
 * @param attempt how many attempts were made, 1 or more
 */
export function retryDelay(policy: RetryPolicy, attempt: number, draw: number): number {
  const grown = policy.baseMs * Math.pow(policy.factor, Math.max(0, attempt - 1));
  const capped = Math.min(policy.capMs, grown);
  return Math.max(1, Math.round(capped * (1 + policy.jitter * (2 * draw - 1))));
}

/**
 * The pause after a pending answer that names none, in milliseconds: it grows with the time that was waited, as the
 * pauses between attempts do with their number.
 *
 * @param waitedMs since the operation became due
 */
export function pendingDelay(policy: RetryPolicy, waitedMs: number, draw: number): number {
  const grown = Math.max(policy.baseMs, waitedMs * (policy.factor - 1));
  return retryDelay({ ...policy, baseMs: Math.min(policy.capMs, grown) }, 1, draw);
}

/**
 * A number in [0, 1) that depends on the text alone (FNV-1a, 32 bit). It spreads retries of different
 * branches without making the machine random: a replayed simulation draws the same pauses.
 */
export function drawFrom(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) / 0x1_0000_0000;
}
