/** Messages as somebody may ask for them, drawn at random: to topics, to components, to both, at once and later. */
import type { NewBranch } from '../../src/engine/begin.js';
import { CHECK_BRANCH } from '../../src/protocol/words.js';
import type { CheckPolicy } from '../../src/protocol/words.js';
import type { Chance } from './world.js';

/** What components say of checks. */
export const CHECK: CheckPolicy = { afterMs: 300, intervalMs: 200, maxAttempts: 5 };

export interface AskedMessage {
  /** What differs from that. */
  readonly check: Partial<CheckPolicy>;
  readonly deliverAt: number | null;
  /** The check first, as the engine has it. */
  readonly asked: readonly NewBranch[];
}

export function randomMessage(chance: Chance, now: number): AskedMessage {
  const deliveries = Array.from({ length: chance.between(1, 3) }, (_, index): NewBranch => {
    const named = { branchId: `d${index}`, payload: '{"paid":1}' };
    if (chance.happens(0.4)) return { ...named, component: someComponent(chance) };
    const key = ['order-1', 'order-2', null][chance.between(0, 2)] ?? null;
    return { ...named, component: '', topic: { topic: 'paid', key, headers: {} } };
  });
  return {
    check: {
      ...(chance.happens(0.5) ? { afterMs: chance.between(0, 1500) } : {}),
      ...(chance.happens(0.3) ? { intervalMs: chance.between(50, 400) } : {}),
      ...(chance.happens(0.3) ? { maxAttempts: chance.between(1, 6) } : {}),
    },
    deliverAt: chance.happens(0.8) ? null : now + chance.between(1, 4000),
    asked: [{ branchId: CHECK_BRANCH, component: someComponent(chance), payload: '{}' }, ...deliveries],
  };
}

function someComponent(chance: Chance): string {
  return ['a', 'b', 'c'][chance.between(0, 2)] ?? 'a';
}
