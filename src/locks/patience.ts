/** How long somebody waits: until a moment, or until he is told not to. */
import type { Clock } from '../platform/surroundings.js';

export class Patience {
  isOver = false;
  private isRung = false;
  private wake: (() => void) | null = null;
  private readonly cancel: () => void;

  /**
   * @param ms 0: it is over at once
   * @param signals any of them ends it at once
   */
  constructor(
    private readonly clock: Clock,
    ms: number,
    private readonly signals: readonly AbortSignal[],
  ) {
    this.cancel = clock.after(ms, this.end);
    for (const signal of signals) signal.addEventListener('abort', this.end);
    if (ms === 0 || signals.some(({ aborted }) => aborted)) this.end();
  }

  /** What is waited for may have come. Nobody waiting, the next wait is over at once. */
  ring(): void {
    this.isRung = true;
    this.wake?.();
  }

  /** Until somebody rings, the patience is over, or `ms` have passed; null: however long that takes. By one at a time. */
  async wait(ms: number | null): Promise<void> {
    if (!this.isOver && !this.isRung) {
      let cancel = (): void => undefined;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        if (ms !== null) cancel = this.clock.after(ms, resolve);
      });
      cancel();
      this.wake = null;
    }
    this.isRung = false;
  }

  /** Nobody waits any more: its timer and its listeners go. */
  stop(): void {
    this.cancel();
    for (const signal of this.signals) signal.removeEventListener('abort', this.end);
  }

  private readonly end = (): void => {
    this.isOver = true;
    this.wake?.();
  };
}

/** One at a time for each name, in the order in which they came. */
export class Turns {
  private readonly lines = new Map<string, Patience[]>();

  /** False: the patience was over first. True: it is his turn until he leaves. Whoever takes one leaves, either way. */
  async take(name: string, patience: Patience): Promise<boolean> {
    const line = this.lines.get(name);
    if (!line) this.lines.set(name, [patience]);
    else line.push(patience);
    while (!patience.isOver && this.lines.get(name)?.[0] !== patience) await patience.wait(null);
    return !patience.isOver;
  }

  leave(name: string, patience: Patience): void {
    const line = this.lines.get(name) ?? [];
    const rest = line.filter((other) => other !== patience);
    if (rest.length === 0) this.lines.delete(name);
    else this.lines.set(name, rest);
    if (rest[0] !== line[0]) rest[0]?.ring();
  }
}
