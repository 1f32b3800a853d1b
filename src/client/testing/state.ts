/** What the user's world looks like at a moment, as text by path, so that two moments can be compared. */
import { inspect } from 'node:util';

/** The text of each value by where it is: `stock.chair` → `3`. */
export type Snapshot = ReadonlyMap<string, string>;

export interface Change {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

const NOTHING = 'nothing';
const MAX_DEPTH = 100;

/** @throws TypeError where the value goes round in circles */
export function snapshotOf(value: unknown): Snapshot {
  const found = new Map<string, string>();
  put(found, 'state', value, 0);
  return found;
}

/** Where two moments differ. */
export function changesBetween(before: Snapshot, after: Snapshot): Change[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  const changes = [...paths].map((path) => ({
    path,
    before: before.get(path) ?? NOTHING,
    after: after.get(path) ?? NOTHING,
  }));
  return changes.filter((change) => change.before !== change.after);
}

function put(found: Map<string, string>, path: string, value: unknown, depth: number): void {
  if (depth > MAX_DEPTH)
    throw new TypeError(`state() is nested more than ${MAX_DEPTH} levels deep, at ${path.slice(0, 80)}`);
  if (value === undefined || typeof value === 'function') return;
  if (typeof value !== 'object' || value === null || value instanceof Date) {
    found.set(path, textOf(value));
    return;
  }
  const parts = partsOf(value, path);
  // Its own being there counts too: an order without lines is an order.
  found.set(path, Array.isArray(value) ? 'a list' : 'there');
  for (const [partPath, part] of parts) put(found, partPath, part, depth + 1);
}

function partsOf(value: object, path: string): [string, unknown][] {
  if (Array.isArray(value)) return value.map((part: unknown, index) => [`${path}[${index}]`, part]);
  if (value instanceof Map)
    return [...value].map(([key, part]: [unknown, unknown]) => [
      `${path}.${typeof key === 'string' ? key : textOf(key)}`,
      part,
    ]);
  if (value instanceof Set) return [...value].map((part: unknown) => [`${path} has ${textOf(part)}`, true]);
  return Object.entries(value).map(([key, part]) => [`${path}.${key}`, part]);
}

function textOf(value: unknown): string {
  return inspect(value, { depth: MAX_DEPTH, breakLength: Infinity, sorted: true });
}
