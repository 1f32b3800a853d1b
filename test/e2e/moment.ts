/** Something on its way that a test holds back: a call, a statement, or the answer to one. */
export class Moment {
  private arrived!: () => void;
  private passOn: (() => Promise<void>) | null = null;
  private giveUp: (() => void) | null = null;
  /** Resolves when it is held. */
  readonly reached = new Promise<void>((resolve) => {
    this.arrived = resolve;
  });

  /** Called by whoever holds it. `passOn` resolves when what was held has had its effect. */
  arrive(passOn: () => Promise<void>, giveUp: () => void): void {
    this.passOn = passOn;
    this.giveUp = giveUp;
    this.arrived();
  }

  /** Lets it go on, however late; resolves when it has had its effect. */
  async pass(): Promise<void> {
    await this.reached;
    await this.passOn?.();
  }

  /** It never arrives. */
  async lose(): Promise<void> {
    await this.reached;
    this.giveUp?.();
  }
}
