/** Who sends messages, each with a local transaction; checks are answered as the fence of the SDK answers them. */
import type { Outcome } from '../../src/domain/transaction.js';
import type { World } from './world.js';

/** `gone`: it was rolled back, or a check came first and keeps it from ever being committed. */
export type Local = 'none' | 'open' | 'committed' | 'gone';

interface Producer {
  local: Local;
  pendings: number;
  failures: number;
  /** Until then not a byte of a call reaches it. */
  readonly awayUntil: number;
}

const COULD_NOT: Outcome = { kind: 'unknown', detail: 'connection refused', hasLeft: false };

export class Producers {
  private readonly all = new Map<string, Producer>();
  /** Messages that somebody aborts who does not know what became of the local transaction. */
  readonly misled = new Set<string>();

  constructor(private readonly world: World) {}

  begins(gid: string): void {
    const { chance, now } = this.world;
    this.all.set(gid, {
      local: 'none',
      pendings: chance.happens(0.2) ? chance.between(1, 8) : 0,
      failures: chance.happens(0.2) ? chance.between(1, 8) : 0,
      awayUntil: chance.happens(0.1) ? now + chance.between(300, 4000) : 0,
    });
  }

  localOf(gid: string): Local {
    return this.all.get(gid)?.local ?? 'none';
  }

  /** Begins the local transaction. False: a check, or somebody, has made sure that it never commits. */
  open(gid: string): boolean {
    return this.move(gid, 'none', 'open');
  }

  close(gid: string, to: 'committed' | 'gone'): void {
    this.move(gid, 'open', to);
  }

  /** What somebody on call does who finds nothing: from now on nothing will be. */
  forestall(gid: string): boolean {
    return this.move(gid, 'none', 'gone');
  }

  /** What the producer does with a check that is sent to it. */
  check(gid: string): Outcome {
    const producer = this.all.get(gid);
    if (!producer || this.world.now < producer.awayUntil) return COULD_NOT;
    const { chance } = this.world;
    if (producer.failures > 0) {
      producer.failures -= 1;
      return { kind: 'unknown', detail: '500' };
    }
    if (producer.pendings > 0) {
      producer.pendings -= 1;
      return { kind: 'pending', retryAfterMs: chance.happens(0.5) ? null : chance.between(10, 400) };
    }
    switch (producer.local) {
      case 'open':
        return { kind: 'pending', retryAfterMs: null };
      case 'committed':
        return { kind: 'done', reply: null };
      case 'none':
        producer.local = 'gone';
        return { kind: 'refused', reason: 'nothing was committed' };
      case 'gone':
        return { kind: 'refused', reason: 'rolled back' };
    }
  }

  private move(gid: string, from: Local, to: Local): boolean {
    const producer = this.all.get(gid);
    if (producer?.local !== from) return false;
    this.world.note(`producer: the local transaction of ${gid} is ${to}`);
    producer.local = to;
    return true;
  }
}
