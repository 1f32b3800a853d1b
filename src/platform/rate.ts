/** So many a second, and after a rest some at once: tokens come at a steady rate, up to as many as the bucket holds. */
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
    if (this.tokens < 1 - 1e-9) return Math.max(1, Math.ceil(((1 - this.tokens) / this.perSecond) * 1000));
    this.tokens -= 1;
    return null;
  }
}
