/** Seeded chance over virtual time: one schedule is one seed, and the same seed is the same schedule. */
import { NOTHING, VirtualProcess, VirtualTime } from '../../src/engine/virtual-time.js';
import type { Run } from '../../src/engine/virtual-time.js';

const BEGIN = 1_000_000;

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

/** Virtual time, and a trail of what happened for whoever replays a seed. */
export class World extends VirtualTime {
  events = 0;
  readonly trail: string[] = [];

  constructor(
    readonly chance: Chance,
    readonly isTraced: boolean,
  ) {
    super(BEGIN);
  }

  note(text: string): void {
    if (this.isTraced) this.trail.push(`${String(this.now - BEGIN).padStart(7)} ms  ${text}`);
  }

  /** Runs events until `isOver`, or until `untilMs` have passed. */
  async run(untilMs: number, isOver: () => boolean): Promise<void> {
    const end = this.now + untilMs;
    while (!isOver()) {
      const happened = this.next(end);
      if (happened === false) return;
      this.events += 1;
      if (happened !== NOTHING) await new Promise(setImmediate);
    }
  }
}

/** A process whose life stands in the trail, and that can be frozen for a while. */
export class Process extends VirtualProcess {
  private frozenUntil = 0;

  constructor(
    name: string,
    private readonly world: World,
  ) {
    super(name, world);
  }

  override kill(): void {
    super.kill();
    this.world.note(`${this.name} is killed`);
  }

  freeze(ms: number): void {
    // Frozen again it thaws no sooner: what reaches it comes in the order in which it was sent.
    this.frozenUntil = Math.max(this.frozenUntil, this.world.now + ms);
    this.world.note(`${this.name} is frozen for ${ms} ms`);
  }

  override deliver(ms: number, run: Run): void {
    super.deliver(ms, () => {
      if (this.frozenUntil <= this.world.now) return run();
      this.deliver(this.frozenUntil - this.world.now, run);
      return NOTHING;
    });
  }
}
