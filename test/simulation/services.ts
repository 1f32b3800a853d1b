/** The participants of a schedule: each guards its effect by a fence, as a real service does with the SDK's. */
import type { Outcome } from '../../src/domain/transaction.js';
import type { Op } from '../../src/protocol/words.js';
import type { World } from './world.js';

type FenceState = 'none' | 'tried' | 'confirmed' | 'cancelled' | 'acted' | 'undone' | 'delivered';

export interface Part {
  fence: FenceState;
  /** How often the effect of an operation took place. */
  effects: Partial<Record<Op, number>>;
  /** What this participant is like: decided once, so that repeats meet the same one. */
  refusesTry: boolean;
  refusesConfirms: number;
  refusesActions: number;
  failsCompensations: number;
  pendings: number;
  failures: number;
  /** Its reply is made anew at each repeat. */
  isForgetful: boolean;
  replies: number;
}

export class Services {
  readonly parts = new Map<string, Part>();
  readonly violations: string[] = [];

  constructor(private readonly world: World) {}

  part(key: string): Part {
    const there = this.parts.get(key);
    if (there) return there;
    const { chance } = this.world;
    const part: Part = {
      fence: 'none',
      effects: {},
      refusesTry: chance.happens(0.12),
      refusesConfirms: chance.happens(0.05) ? chance.between(1, 12) : 0,
      refusesActions: chance.happens(0.1) ? chance.between(1, 10) : 0,
      failsCompensations: chance.happens(0.05) ? chance.between(1, 12) : 0,
      pendings: chance.happens(0.1) ? chance.between(1, 4) : 0,
      failures: chance.happens(0.2) ? chance.between(1, 5) : 0,
      isForgetful: chance.happens(0.8),
      replies: 0,
    };
    this.parts.set(key, part);
    return part;
  }

  /** What the service does with a call that reached it. */
  handle(key: string, op: Op): Outcome {
    const part = this.part(key);
    const { chance } = this.world;
    if (part.failures > 0) {
      part.failures -= 1;
      return { kind: 'unknown', detail: '500' };
    }
    if (part.pendings > 0 && op !== 'try') {
      part.pendings -= 1;
      return { kind: 'pending', retryAfterMs: chance.between(10, 400) };
    }
    if ((op === 'confirm' || op === 'deliver') && part.refusesConfirms > 0) {
      part.refusesConfirms -= 1;
      return { kind: 'refused', reason: 'not now' };
    }
    if (op === 'compensate' && part.failsCompensations > 0) {
      part.failsCompensations -= 1;
      return chance.happens(0.5) ? { kind: 'refused', reason: 'not now' } : { kind: 'unknown', detail: '500' };
    }
    return op === 'action' || op === 'compensate' ? this.inSaga(key, part, op) : this.fenced(key, part, op);
  }

  private fenced(key: string, part: Part, op: Op): Outcome {
    const done: Outcome = { kind: 'done', reply: '{"held":1}' };
    switch (op) {
      case 'try':
        if (part.fence === 'cancelled') return { kind: 'refused', reason: 'cancelled before' };
        if (part.fence !== 'none') return done;
        if (part.refusesTry) return { kind: 'refused', reason: 'out of stock' };
        return this.take(part, 'tried', op, done);
      case 'confirm':
        if (part.fence === 'confirmed') return done;
        if (part.fence === 'tried') return this.take(part, 'confirmed', op, done);
        return this.violated(`confirm of ${key}, which is ${part.fence}`);
      case 'cancel':
        if (part.fence === 'cancelled') return done;
        if (part.fence === 'none') {
          part.fence = 'cancelled';
          return done;
        }
        if (part.fence === 'tried') return this.take(part, 'cancelled', op, done);
        return this.violated(`cancel of ${key}, which is ${part.fence}`);
      case 'deliver':
        return part.fence === 'delivered' ? done : this.take(part, 'delivered', op, done);
      default:
        return this.violated(`${op} of ${key}`);
    }
  }

  private inSaga(key: string, part: Part, op: 'action' | 'compensate'): Outcome {
    if (op === 'compensate') {
      const undone: Outcome = { kind: 'done', reply: null };
      if (part.fence === 'acted') return this.take(part, 'undone', op, undone);
      part.fence = 'undone';
      return undone;
    }
    if (part.fence === 'undone') return { kind: 'refused', reason: 'undone before' };
    if (part.fence === 'none' && part.refusesActions > 0) {
      part.refusesActions -= 1;
      return { kind: 'refused', reason: 'out of stock' };
    }
    if (part.replies === 0 || part.isForgetful) part.replies += 1;
    const reply = JSON.stringify({ id: `${key}/${part.replies}`, list: [part.replies, { 'a/b': key }] });
    const done: Outcome = { kind: 'done', reply };
    return part.fence === 'acted' ? done : this.take(part, 'acted', op, done);
  }

  private take(part: Part, to: FenceState, op: Op, outcome: Outcome): Outcome {
    part.fence = to;
    part.effects[op] = (part.effects[op] ?? 0) + 1;
    return outcome;
  }

  private violated(text: string): Outcome {
    this.violations.push(`G8: ${text}`);
    return { kind: 'unknown', detail: text };
  }
}
