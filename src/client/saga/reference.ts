/**
 * What the payload of a branch takes from the reply of an earlier one. Nobody knows it when the saga begins: it stands
 * in the request as `{ "$reply": "order#/orderId" }`, and the coordinator fills it in when it calls the branch.
 */
import type { Json } from '../../protocol/words.js';
import { jsonText } from '../json-text.js';

const KEY = '$reply';
declare const VALUE: unique symbol;

/**
 * Stands for a value of type T in a reply. Its fields and items stand for those of the value; there is nothing else to
 * be done with it than to put it into a payload. Where the reply turns out to lack the value, the branch is refused.
 */
export type Reference<T> = { readonly [VALUE]: T } & Parts<T>;

type Parts<T> = T extends readonly (infer Item)[]
  ? { readonly [index: number]: Reference<Item> }
  : T extends object
    ? { readonly [Key in keyof T]: Reference<Exclude<T[Key], undefined>> }
    : unknown;

/** A value of type T, any part of which may be a reference. */
export type OrReference<T> = [Json] extends [T]
  ? unknown
  : Reference<T> | (T extends object ? { readonly [Key in keyof T]: OrReference<T[Key]> } : T);

/** References as they were written: what else has this form is data, and must not be taken for one. */
const written = new WeakSet<object>();

/** Stands for the reply of a branch. @param pointer into it, RFC 6901; empty: all of it */
export function referenceTo<T>(branchId: string, pointer = ''): Reference<T> {
  const target = { [KEY]: pointer === '' ? branchId : `${branchId}#${pointer}` };
  const misused = (what: string): never => {
    throw new TypeError(`'${target[KEY]}' cannot be ${what}: the reply is not known before the saga runs`);
  };
  return new Proxy(target, {
    get(_target, key) {
      if (key === 'toJSON') return () => write(target);
      if (key === Symbol.toPrimitive) return () => misused('computed with, or made part of a text');
      if (typeof key === 'symbol') return undefined;
      return referenceTo(branchId, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
    },
    ownKeys: () => misused('taken apart or copied: name each field that is needed'),
  }) as unknown as Reference<T>;
}

/**
 * A payload as it goes into the request.
 *
 * @param what names it in errors
 * @throws TypeError where data of the caller would be taken for a reference; RangeError, TypeError for what is no JSON
 */
export function withReferences(payload: unknown, what: string): Json {
  const text = jsonText(payload, what, (part) => {
    if (typeof part !== 'object' || part === null || !Object.hasOwn(part, KEY) || written.has(part)) return;
    throw new TypeError(`${what} holds data with the field ${KEY}, which would be taken for a reference to a reply`);
  });
  return text === undefined ? null : (JSON.parse(text) as Json);
}

function write(target: object): object {
  const copy = { ...target };
  written.add(copy);
  return copy;
}
