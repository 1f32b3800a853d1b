/** JSON Pointers (RFC 6901). */
import type { Json } from '../protocol/words.js';

/** Empty, for the whole; or each step behind a slash. */
export const POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/;

/** The pointer one step further in. */
export function step(pointer: string, key: string | number): string {
  return `${pointer}/${String(key).replace(/~/g, '~0').replace(/\//g, '~1')}`;
}

/** Undefined: there is nothing. */
export function valueAt(value: Json, pointer: string): Json | undefined {
  let found: Json | undefined = value;
  for (const escaped of pointer.split('/').slice(1)) {
    const key = escaped.replace(/~1/g, '/').replace(/~0/g, '~');
    if (Array.isArray(found)) found = /^(0|[1-9]\d*)$/.test(key) ? found[Number(key)] : undefined;
    else if (found === null || typeof found !== 'object') return undefined;
    else found = Object.hasOwn(found, key) ? found[key] : undefined;
  }
  return found;
}
