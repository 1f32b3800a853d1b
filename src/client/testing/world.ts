/** Virtual time that stands still while one of the user's functions is at work, whatever real time that takes. */
import { setImmediate } from 'node:timers';
import { VirtualTime } from '../../engine/virtual-time.js';

/** The same in each run: what is written down of a test does not depend on the day. */
const BEGIN = Date.UTC(2030, 0, 1);

export class World extends VirtualTime {
  private readonly atWork = new Set<Promise<unknown>>();
  private turn: Promise<void> = Promise.resolve();

  constructor() {
    super(BEGIN);
  }

  /** Virtual ms since the begin. */
  get elapsedMs(): number {
    return this.now - BEGIN;
  }

  /** Nothing else happens until the work is over: one function runs at a time, whatever is called side by side. */
  during<T>(work: Promise<T>): Promise<T> {
    const over: Promise<unknown> = work.catch(() => undefined).finally(() => this.atWork.delete(over));
    this.atWork.add(over);
    return work;
  }

  /** Moves from event to event until `isOver`, or until there is none up to `end`. */
  async until(isOver: () => boolean, end = Infinity): Promise<void> {
    let isMore = true;
    while (isMore && !isOver()) {
      // Whoever moves the time at the same moment takes turns with this one.
      this.turn = this.turn.then(async () => {
        await this.rest();
        if (!isOver()) isMore = this.next(end) !== false;
      });
      await this.turn;
    }
  }

  async advance(ms: number): Promise<void> {
    const end = this.now + ms;
    await this.until(() => false, end);
    this.now = Math.max(this.now, end);
  }

  /** Until everything waits for time to pass. */
  async rest(): Promise<void> {
    await nextRound();
    while (this.atWork.size > 0) {
      await Promise.race(this.atWork);
      await nextRound();
    }
  }
}

/** All promises that are ready have had their turn by then. */
function nextRound(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
