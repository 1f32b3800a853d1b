/** Which item of a list was which: a secret goes with its item, and not with the place where that stands. */
import { canonicalJson } from '../config/canonical.js';
import { masked } from '../config/secret.js';
import type { Json } from '../protocol/words.js';

export interface Partner {
  /** Of the list as it was; null: of nothing there. */
  readonly index: number | null;
  /**
   * `same`: it shows the same. `place`: it shows something else, and stands where an item stood that is nowhere now.
   * `unclear`: there are more or fewer of what shows the same than there were. `new`: it shows what nothing showed.
   */
  readonly by: 'same' | 'place' | 'unclear' | 'new';
}

/** One for each item. Those that show the same stay in their order. */
export function partners(items: readonly Json[], were: readonly Json[]): Partner[] {
  const then = byForm(were);
  const now = byForm(items);
  const found: Partner[] = items.map((_, index) => ({ index, by: 'new' }));
  const taken = new Set<number>();
  for (const [form, indexes] of now) {
    const candidates = then.get(form);
    if (!candidates) continue;
    const isClear = candidates.length === indexes.length;
    for (const [order, index] of indexes.entries()) {
      const candidate = candidates[order];
      found[index] = isClear && candidate !== undefined ? { index: candidate, by: 'same' } : { index, by: 'unclear' };
      if (isClear && candidate !== undefined) taken.add(candidate);
    }
  }
  return found.map((partner, index) => {
    if (partner.by !== 'new') return partner;
    return items.length === were.length && !taken.has(index) ? { index, by: 'place' } : { index: null, by: 'new' };
  });
}

/** Where each stands, by what is seen of it. */
function byForm(list: readonly Json[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [index, item] of list.entries()) {
    const form = canonicalJson(masked(item));
    const there = places.get(form);
    if (there) there.push(index);
    else places.set(form, [index]);
  }
  return places;
}
