/** Something on its way that a test holds back: a call, a statement, or the answer to one. */
export class Moment {
  private arrived!: () => void;
  private passOn: (() => Promise<unknown>) | null = null;
  private goOn: (() => void) | null = null;
  private giveUp: ((why: Error) => void) | null = null;
  /** Resolves when it is held. */
  readonly reached = new Promise<void>((resolve) => {
    this.arrived = resolve;
  });

  /**
   * Called by whoever holds it; resolves when it may go on, and rejects when it is lost.
   *
   * @param passOn hands it on, and resolves when it has had its effect
   */
  hold(passOn: () => Promise<unknown>): Promise<void> {
    this.passOn = passOn;
    return new Promise<void>((resolve, reject) => {
      this.goOn = resolve;
      this.giveUp = reject;
      this.arrived();
    });
  }

  /** Lets it go on, however late; resolves when it has had its effect, or cannot have one any more. */
  async pass(): Promise<void> {
    await this.reached;
    await this.passOn?.().catch(() => undefined);
    this.goOn?.();
  }

  /** It never arrives. */
  async lose(): Promise<void> {
    await this.reached;
    this.giveUp?.(new Error('the test loses it'));
  }
}
