/** So many a second, and after a rest some at once: tokens come at a steady rate, up to as many as the bucket holds. */
const NEARLY = 1e-9;

export class Rate {
  private tokens: number;

  /**
   * @param perSecond more than 0
   * @param burst how many at once after a rest, at least 1
   * @param at monotonic, ms
   */
  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    private at: number,
  ) {
    this.tokens = burst;
  }

  /** Takes one, and says null; or how many ms until there is one. */
  take(now: number): number | null {
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.at) / 1000) * this.perSecond);
    this.at = now;
    // What a sum of shares lacks to a whole one is no reason to wait.
    const lacking = 1 - this.tokens - NEARLY;
    if (lacking > 0) return Math.max(1, Math.ceil((lacking / this.perSecond) * 1000));
    this.tokens -= 1;
    return null;
  }
}
