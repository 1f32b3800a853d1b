/** How long a message that fails is tried, and what becomes of it then. */
import { Refused } from '../errors.js';
import type { Failure } from './inbox.js';

export interface RetryBudget {
  /** Attempts that end with an error, over all restarts; default 16. */
  attempts?: number;
  /** Since the first failure, in ms; default: attempts alone count. */
  maxAgeMs?: number;
  /** The first pause, in ms; default 500. Pauses double, up to `capMs`, and vary by a fifth. */
  baseMs?: number;
  /** Default 60000. */
  capMs?: number;
}

/**
 * What becomes of a message that is given up. `park` (default): it goes to the dead-letter topic, and later messages of
 * its key follow it there. `skip`: it goes there, later messages of its key are handled. `block`: it is never given up; its
 * partition waits.
 */
export type GivingUp = 'park' | 'skip' | 'block';

const DEFAULTS = { attempts: 16, maxAgeMs: Infinity, baseMs: 500, capMs: 60_000 } as const;
const SPREAD = 0.2;

export class Budget {
  private readonly limits: Required<RetryBudget>;

  /** @throws RangeError when a limit cannot be one */
  constructor(
    retry: RetryBudget,
    private readonly givingUp: GivingUp,
    private readonly random: () => number = Math.random,
  ) {
    this.limits = { ...DEFAULTS, ...retry };
    for (const [name, value] of Object.entries(this.limits)) {
      if (!(value > 0)) throw new RangeError(`retry.${name} must be above 0`);
    }
  }

  /** Whether the message has had its share. A refusal says that trying again changes nothing. */
  isSpent({ attempts, ageMs }: Failure, error: unknown): boolean {
    if (this.givingUp === 'block') return false;
    return error instanceof Refused || attempts >= this.limits.attempts || ageMs >= this.limits.maxAgeMs;
  }

  /** The pause after so many failures, in ms. */
  pauseMs(failures: number): number {
    const { baseMs, capMs } = this.limits;
    const full = Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30));
    return Math.round(full * (1 - SPREAD + 2 * SPREAD * this.random()));
  }
}
