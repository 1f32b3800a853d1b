/** Time that moves only when told to, and processes that live in it: for whoever runs the engine without waiting. */
import type { Clock } from './ports.js';

/** What an event gives back that changed nothing, so that nothing follows from it. */
export const NOTHING = Symbol('nothing');

/** What happens at a time. */
export type Run = () => typeof NOTHING | void;

interface Event {
  at: number;
  order: number;
  run: Run;
}

/** Events in virtual time; those of one moment run in the order in which they were asked for. */
export class VirtualTime {
  private readonly heap: Event[] = [];
  private order = 0;

  constructor(
    /** In ms since the epoch. */
    public now: number,
  ) {}

  after(ms: number, run: Run): void {
    this.heap.push({ at: this.now + ms, order: this.order++, run });
    this.rise(this.heap.length - 1);
  }

  /** Moves to the next event and runs it; false: there is none up to `end`. */
  next(end: number): boolean | typeof NOTHING {
    const event = this.heap[0];
    if (!event || event.at > end) return false;
    this.pop();
    this.now = event.at;
    return event.run() ?? true;
  }

  private pop(): void {
    const last = this.heap.pop();
    if (!last || this.heap.length === 0) return;
    this.heap[0] = last;
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      let least = i;
      for (const child of [left, left + 1]) if (child < this.heap.length && this.isBefore(child, least)) least = child;
      if (least === i) return;
      this.swap(i, least);
      i = least;
    }
  }

  private rise(from: number): void {
    for (let i = from; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!this.isBefore(i, parent)) return;
      this.swap(i, parent);
      i = parent;
    }
  }

  private isBefore(a: number, b: number): boolean {
    const [first, second] = [this.heap[a] as Event, this.heap[b] as Event];
    return first.at < second.at || (first.at === second.at && first.order < second.order);
  }

  private swap(a: number, b: number): void {
    [this.heap[a], this.heap[b]] = [this.heap[b] as Event, this.heap[a] as Event];
  }
}

/** One start of one process that lives in virtual time, until it is killed. */
export class VirtualProcess {
  isAlive = true;

  constructor(
    readonly name: string,
    private readonly time: VirtualTime,
  ) {}

  kill(): void {
    this.isAlive = false;
  }

  /** Something reaches the process after `ms`: never if it is dead by then. */
  deliver(ms: number, run: Run): void {
    this.time.after(ms, () => (this.isAlive ? run() : NOTHING));
  }

  readonly clock: Clock = {
    now: () => this.time.now,
    monotonic: () => this.time.now,
    after: (ms, run) => {
      let isCancelled = false;
      this.deliver(Math.max(0, ms), () => (isCancelled ? NOTHING : run()));
      return () => {
        isCancelled = true;
      };
    },
  };
}
