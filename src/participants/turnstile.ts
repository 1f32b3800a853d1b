/** At most so many calls of one component at a time; the others wait in line. */
export class Turnstile {
  private inside = 0;
  private readonly line: (() => void)[] = [];

  /** @param limit calls at a time; it may change while calls wait */
  constructor(public limit: number) {}

  /** Resolves when it is this caller's turn: `leave` must follow. */
  enter(): Promise<void> | undefined {
    if (this.inside < this.limit) {
      this.inside += 1;
      return undefined;
    }
    return new Promise((resolve) => this.line.push(resolve));
  }

  leave(): void {
    this.inside -= 1;
    while (this.inside < this.limit && this.line.length > 0) {
      this.inside += 1;
      this.line.shift()?.();
    }
  }
}
