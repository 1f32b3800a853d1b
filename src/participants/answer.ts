/** What a participant's answer means; the table is in docs/wire.md, section 7. */
import type { Outcome } from '../domain/transaction.js';
import { jsonProblem } from '../protocol/json.js';

/** A participant that asks for more patience than this is asked again all the same. */
const MAX_RETRY_AFTER_MS = 24 * 3600 * 1000;
const QUOTED_CHARS = 200;
/** A reason stands in every answer about the transaction; a longer one is cut. */
const REASON_CHARS = 1000;
const utf8 = new TextDecoder('utf-8', { fatal: true });

export function outcomeOf(status: number, retryAfter: string | null, body: Uint8Array, now: number): Outcome {
  const text = decoded(body);
  if (status >= 200 && status < 300) return doneOf(status, text);
  if (status === 409) {
    const reason = reasonIn(text);
    if (reason !== null) return { kind: 'refused', reason };
  }
  if (status === 425) return { kind: 'pending', retryAfterMs: retryAfterMs(retryAfter, now) };
  return unknown(status, text, status === 409 ? 'without a JSON body that has a reason' : '');
}

function doneOf(status: number, text: string | null): Outcome {
  if (text === null) return unknown(status, text, 'whose body is not UTF-8');
  if (text === '') return { kind: 'done', reply: null };
  try {
    JSON.parse(text);
  } catch {
    return unknown(status, text, 'whose body is not JSON');
  }
  const problem = jsonProblem(text);
  return problem === null ? { kind: 'done', reply: text } : unknown(status, null, `whose body ${problem}`);
}

function reasonIn(text: string | null): string | null {
  try {
    const body: unknown = JSON.parse(text ?? '');
    const reason: unknown = typeof body === 'object' && body !== null && 'reason' in body ? body.reason : null;
    return typeof reason === 'string' && !reason.includes('\0') ? cut(reason, REASON_CHARS) : null;
  } catch {
    return null;
  }
}

/** Seconds or an HTTP date, as RFC 9110 has it; null where it says neither. */
function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}

function unknown(status: number, text: string | null, what: string): Outcome {
  // A page of a proxy has lines; the timeline has one for each call.
  const line = cut(text ?? '', QUOTED_CHARS)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  return { kind: 'unknown', detail: `answered ${status} ${what}`.trimEnd() + (line && `: ${line}`) };
}

/** With no half of a character at its end, or anywhere. */
function cut(text: string, chars: number): string {
  return text.slice(0, chars).replace(/\p{Surrogate}/gu, '\ufffd');
}

function decoded(body: Uint8Array): string | null {
  try {
    return utf8.decode(body);
  } catch {
    return null;
  }
}
