/** What differs between two contents. */
import type { ConfigChange } from '../protocol/config.js';
import type { Json } from '../protocol/words.js';
import { step } from './pointer.js';
import { masked, secretIn } from './secret.js';

/** Of one diff, and the length of all its pointers together; what differs more is told by its fields at the top. */
const MAX_CHANGES = 1000;
const MAX_POINTERS = 128 * 1024;

/**
 * Keys in the order of their UTF-16 code units, arrays by index. Secrets are compared as they are, sealed or not, and
 * come out masked.
 */
export function changesBetween(from: Json, to: Json): ConfigChange[] {
  const fine = new Changes(Infinity);
  fine.compare(from, to, '', 0);
  if (!fine.isTooMany) return fine.found;
  const coarse = new Changes(1);
  coarse.compare(from, to, '', 0);
  return coarse.found;
}

class Changes {
  readonly found: ConfigChange[] = [];
  private pointers = 0;

  /** @param depth how far in it looks; what differs there is one change */
  constructor(private readonly depth: number) {}

  get isTooMany(): boolean {
    return this.depth === Infinity && (this.found.length > MAX_CHANGES || this.pointers > MAX_POINTERS);
  }

  /** Undefined: it is not there. */
  compare(from: Json | undefined, to: Json | undefined, path: string, depth: number): void {
    if (from === to || this.isTooMany) return;
    if (from === undefined) this.note({ path, kind: 'added', to: masked(to ?? null) });
    else if (to === undefined) this.note({ path, kind: 'removed', from: masked(from) });
    else if (depth < this.depth && isBranching(from) && isBranching(to) && Array.isArray(from) === Array.isArray(to)) {
      for (const key of keysOf(from, to)) this.compare(at(from, key), at(to, key), step(path, key), depth + 1);
    } else if (!isSame(from, to)) {
      this.note({ path, kind: 'changed', from: masked(from), to: masked(to) });
    }
  }

  private note(change: ConfigChange): void {
    this.pointers += change.path.length;
    this.found.push(change);
  }
}

type Branching = Json[] | Record<string, Json>;

function isBranching(value: Json): value is Branching {
  return value !== null && typeof value === 'object' && secretIn(value) === undefined;
}

function keysOf(from: Branching, to: Branching): string[] {
  if (Array.isArray(from) && Array.isArray(to)) {
    return Array.from({ length: Math.max(from.length, to.length) }, (_, index) => String(index));
  }
  return [...new Set([...Object.keys(from), ...Object.keys(to)])].sort((a, b) => (a < b ? -1 : 1));
}

function at(value: Branching, key: string): Json | undefined {
  return Object.hasOwn(value, key) ? (value as Record<string, Json>)[key] : undefined;
}

function isSame(from: Json, to: Json): boolean {
  if (from === to) return true;
  if (from === null || to === null || typeof from !== 'object' || typeof to !== 'object') return false;
  if (Array.isArray(from) !== Array.isArray(to)) return false;
  return keysOf(from, to).every((key) => {
    const [was, is] = [at(from, key), at(to, key)];
    return was !== undefined && is !== undefined && isSame(was, is);
  });
}
