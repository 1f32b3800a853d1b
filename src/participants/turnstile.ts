/** At most so many calls of one component at a time; the others wait in line. */
export class Turnstile {
  private inside = 0;
  private readonly line: (() => void)[] = [];

  /** @param limit calls at a time */
  constructor(private limit: number) {}

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
    this.admit();
  }

  /** From now on so many at a time; who is inside stays. */
  resize(limit: number): void {
    this.limit = limit;
    this.admit();
  }

  private admit(): void {
    while (this.inside < this.limit && this.line.length > 0) {
      this.inside += 1;
      this.line.shift()?.();
    }
  }
}
