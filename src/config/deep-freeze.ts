/** Values that nobody changes. */

/** Those that are frozen down to the last part. */
const done = new WeakSet<object>();

/** The value itself, frozen with all plain objects and lists in it; what else is in it (a Map, a Date) stays as it is. */
export function deepFreeze<T>(value: T): T {
  if (!isPlain(value) || done.has(value)) return value;
  done.add(value);
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return true;
  // By shape: what JSON.parse makes may be of another realm.
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
