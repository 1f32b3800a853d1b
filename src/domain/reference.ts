/**
 * What a payload of a saga takes from replies: `{ "$reply": "order#/orderId" }` stands for the value at that JSON
 * Pointer (RFC 6901) in the reply of the branch `order`, `{ "$reply": "order" }` for the whole of it.
 */
import { jsonProblem } from '../protocol/json.js';
import { IDENTIFIER, LIMITS } from '../protocol/words.js';
import type { Json } from '../protocol/words.js';
import type { Branch, Transaction } from './transaction.js';

const KEY = '$reply';

export interface Reference {
  readonly branchId: string;
  /** Empty: the whole reply. */
  readonly pointer: string;
}

/** The references of a payload, or in words what is wrong with one. @param payload JSON text */
export function referencesIn(payload: string): Reference[] | string {
  if (!mayRefer(payload)) return [];
  const found: Reference[] = [];
  let problem: string | null = null;
  replaced(JSON.parse(payload) as Json, (target, siblings) => {
    const reference = parsed(target);
    if (siblings > 0) problem ??= `an object with ${KEY} has no other field`;
    else if (typeof reference === 'string') problem ??= reference;
    else found.push(reference);
    return null;
  });
  if (found.length > LIMITS.references) problem ??= `has more than ${LIMITS.references} references to replies`;
  return problem ?? found;
}

/** Whether the payload may be another one than that of the begin. */
export function refersToReplies({ payload }: Branch): boolean {
  return mayRefer(payload);
}

/** The payload as the participant gets it, JSON text. Of a started branch there always is one: replies stay. */
export function payloadOf(tx: Transaction, branch: Branch): string {
  const payload = resolve(tx, branch);
  return typeof payload === 'string' ? payload : branch.payload;
}

/** Why the payload of a branch cannot be made from the replies, in words; null: it can. */
export function unresolvable(tx: Transaction, branch: Branch): string | null {
  const payload = resolve(tx, branch);
  if (typeof payload !== 'string') return payload.problem;
  // Each was checked as it came; together they may be deeper.
  const problem = payload === branch.payload ? null : jsonProblem(payload);
  return problem === null ? null : `the payload with its replies ${problem}`;
}

function resolve(tx: Transaction, { payload }: Branch): string | { problem: string } {
  if (tx.mode !== 'saga' || !mayRefer(payload)) return payload;
  const tooLarge = `the payload with its replies is larger than ${LIMITS.payloadBytes} bytes`;
  let problem: string | null = null;
  let chars = 0;
  const value = replaced(JSON.parse(payload) as Json, (target) => {
    if (problem !== null) return null;
    const reference = parsed(target);
    const found = typeof reference === 'string' ? null : foundAt(tx, reference);
    if (found === null) problem = `the payload refers to ${JSON.stringify(target)}, which no reply has`;
    // Said as soon as it is known: all of it may be sixteen times as large.
    else if ((chars += found.chars) > LIMITS.payloadBytes) problem = tooLarge;
    return found?.value ?? null;
  });
  if (problem !== null) return { problem };
  const text = JSON.stringify(value);
  return new TextEncoder().encode(text).length > LIMITS.payloadBytes ? { problem: tooLarge } : text;
}

interface Found {
  readonly value: Json;
  /** Of its JSON text. */
  readonly chars: number;
}

/** By branch and pointer: a thousand branches may refer to one long reply, and it is looked through once for them. */
const known = new WeakMap<Branch, Map<string, Found | null>>();

/** Null: there is no such branch or value, or no reply that was kept. */
function foundAt({ branches }: Transaction, { branchId, pointer }: Reference): Found | null {
  const branch = branches.find((candidate) => candidate.branchId === branchId);
  if (!branch || branch.reply === null) return null;
  const all = known.get(branch) ?? new Map<string, Found | null>([['', measured(JSON.parse(branch.reply) as Json)]]);
  known.set(branch, all);
  let found = all.get(pointer);
  if (found === undefined) {
    const value = valueAt(all.get('')?.value, pointer);
    found = value === undefined ? null : measured(value);
    all.set(pointer, found);
  }
  return found;
}

function measured(value: Json): Found {
  return { value, chars: JSON.stringify(value).length };
}

function mayRefer(payload: string): boolean {
  return payload.includes(`"${KEY}"`);
}

/** The value with each object that has the key replaced. */
function replaced(value: Json, by: (target: Json, siblings: number) => Json): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => replaced(item, by));
  const entries = Object.entries(value);
  const [, target] = entries.find(([key]) => key === KEY) ?? [];
  if (target !== undefined) return by(target, entries.length - 1);
  // Not by assignment: a key `__proto__` is data like any other.
  return Object.fromEntries(entries.map(([key, item]) => [key, replaced(item, by)]));
}

function parsed(target: Json): Reference | string {
  const form = `${KEY} is "branchId" or "branchId#/json/pointer"`;
  if (typeof target !== 'string') return form;
  const hash = target.indexOf('#');
  const branchId = hash < 0 ? target : target.slice(0, hash);
  const pointer = hash < 0 ? '' : target.slice(hash + 1);
  if (!IDENTIFIER.test(branchId)) return form;
  if (pointer.length > LIMITS.pointerChars) return `a JSON pointer has at most ${LIMITS.pointerChars} characters`;
  if (!/^(\/([^~/]|~[01])*)*$/.test(pointer)) return `'${pointer}' is no JSON pointer (RFC 6901)`;
  return { branchId, pointer };
}

/** Undefined: there is no such value. */
function valueAt(whole: Json | undefined, pointer: string): Json | undefined {
  let value = whole;
  for (const token of pointer.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null) return undefined;
    if (Array.isArray(value)) value = /^(0|[1-9]\d*)$/.test(key) ? value[Number(key)] : undefined;
    else value = Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}
