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

/** Where two moments differ; of what came or went as a whole, only that. */
export function changesBetween(before: Snapshot, after: Snapshot): Change[] {
  const changes: Change[] = [];
  let whole: string | null = null;
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const change = { path, before: before.get(path) ?? NOTHING, after: after.get(path) ?? NOTHING };
    if (change.before === change.after || (whole !== null && isWithin(path, whole))) continue;
    if (change.before === NOTHING || change.after === NOTHING) whole = path;
    changes.push(change);
  }
  return changes;
}

/** Whether a path is another one, or a part of what is there. */
export function isWithin(path: string, whole: string): boolean {
  return path.startsWith(whole) && /^($|[.[ ])/.test(path.slice(whole.length));
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
  if (Array.isArray(value)) return value.map((part: unknown, index) => [pathOf(path, index), part]);
  if (value instanceof Map) return [...value].map(([key, part]: [unknown, unknown]) => [pathOf(path, key), part]);
  if (value instanceof Set) return [...value].map((part: unknown) => [`${path} has ${textOf(part)}`, true]);
  return Object.entries(value).map(([key, part]) => [pathOf(path, key), part]);
}

function pathOf(path: string, key: unknown): string {
  return typeof key === 'string' && /^[\w$-]+$/.test(key) ? `${path}.${key}` : `${path}[${textOf(key)}]`;
}

function textOf(value: unknown): string {
  return inspect(value, { depth: MAX_DEPTH, breakLength: Infinity, sorted: true });
}
