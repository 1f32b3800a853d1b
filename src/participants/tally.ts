/** Counts the calls that go one way: those under way, and what became of those of the last minute. */

const WINDOW_MS = 60_000;
/** The window moves by such steps. */
const STEP_MS = 10_000;
const STEPS = WINDOW_MS / STEP_MS;

export class Tally {
  inFlight = 0;
  /** The step that each was counted in, by its number modulo STEPS. */
  private readonly steps = Array.from({ length: STEPS }, () => ({ number: -1, calls: 0, failures: 0 }));

  /** @param now monotonic, ms */
  constructor(private readonly now: () => number) {}

  begin(): void {
    this.inFlight += 1;
  }

  /** @param isAlive whether the service answered; null: counts for nothing */
  end(isAlive: boolean | null): void {
    this.inFlight -= 1;
    if (isAlive === null) return;
    const number = Math.floor(this.now() / STEP_MS);
    const step = this.steps[number % STEPS];
    if (!step) return;
    if (step.number !== number) Object.assign(step, { number, calls: 0, failures: 0 });
    step.calls += 1;
    if (!isAlive) step.failures += 1;
  }

  /** Share of the last minute's calls that were not answered, 0 to 1; 0 where there were none. */
  get failureRate(): number {
    const oldest = Math.floor(this.now() / STEP_MS) - STEPS;
    let calls = 0;
    let failures = 0;
    for (const step of this.steps) {
      if (step.number <= oldest) continue;
      calls += step.calls;
      failures += step.failures;
    }
    return calls === 0 ? 0 : failures / calls;
  }
}
