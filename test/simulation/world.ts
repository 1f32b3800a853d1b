/** Virtual time and seeded chance: one schedule is one seed, and the same seed is the same schedule. */
import type { Clock } from '../../src/engine/ports.js';

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state are plenty for a schedule. */
export class Chance {
  constructor(private state: number) {}

  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** True with the given probability. */
  happens(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from `low` to `high`, both inclusive. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }
}

interface Event {
  at: number;
  order: number;
  run: () => void;
}

/** A queue of events in virtual time, and a trail of what happened for whoever replays a seed. */
export class World {
  now = 1_000_000;
  events = 0;
  readonly trail: string[] = [];
  private readonly heap: Event[] = [];
  private order = 0;

  constructor(
    readonly chance: Chance,
    private readonly isTraced: boolean,
  ) {}

  note(text: string): void {
    if (this.isTraced) this.trail.push(`${String(this.now - 1_000_000).padStart(7)} ms  ${text}`);
  }

  after(ms: number, run: () => void): void {
    this.heap.push({ at: this.now + ms, order: this.order++, run });
    this.rise(this.heap.length - 1);
  }

  /** Runs events until `isOver`, or until `untilMs` have passed. */
  async run(untilMs: number, isOver: () => boolean): Promise<void> {
    const end = this.now + untilMs;
    while (!isOver()) {
      const event = this.heap[0];
      if (!event || event.at > end) return;
      this.pop();
      this.now = event.at;
      this.events += 1;
      event.run();
      await new Promise(setImmediate);
    }
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

/** One start of one coordinator process: it can be killed, and frozen for a while. */
export class Process {
  isAlive = true;
  private frozenUntil = 0;

  constructor(
    readonly name: string,
    private readonly world: World,
  ) {}

  kill(): void {
    this.isAlive = false;
    this.world.note(`${this.name} is killed`);
  }

  freeze(ms: number): void {
    this.frozenUntil = this.world.now + ms;
    this.world.note(`${this.name} is frozen for ${ms} ms`);
  }

  /** Something reaches the process after `ms`: later if it is frozen then, never if it is dead. */
  deliver(ms: number, run: () => void): void {
    this.world.after(ms, () => {
      if (!this.isAlive) return;
      if (this.frozenUntil > this.world.now) this.deliver(this.frozenUntil - this.world.now, run);
      else run();
    });
  }

  readonly clock: Clock = {
    now: () => this.world.now,
    monotonic: () => this.world.now,
    after: (ms, run) => {
      let isCancelled = false;
      this.deliver(Math.max(0, ms), () => {
        if (!isCancelled) run();
      });
      return () => {
        isCancelled = true;
      };
    },
  };
}
