/** What a message may be; the same for a service's own outbox and for what the coordinator is given. */

import { HEADER_NAME, LIMITS, OWN_HEADERS, TOPIC } from '../protocol/words.js';

/** What is wrong with a message, and where. */
export interface Fault {
  readonly path: readonly string[];
  readonly problem: string;
}

/** What the sender says of a message besides its payload. */
export interface Label {
  readonly topic: string;
  readonly key?: string | null | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The first thing that is wrong with topic, key and headers; null: nothing is. */
export function faultOf({ topic, key, headers }: Label): Fault | null {
  if (typeof topic !== 'string' || !TOPIC.test(topic)) {
    return { path: ['topic'], problem: "must be 1 to 249 characters of a-z A-Z 0-9 . _ -, and not '.' or '..'" };
  }
  if (key !== undefined && key !== null && !isText(key, 1, LIMITS.keyChars)) {
    return { path: ['key'], problem: `must be null or text of 1 to ${LIMITS.keyChars} characters without U+0000` };
  }
  return headers === undefined ? null : faultOfHeaders(headers);
}

function faultOfHeaders(headers: Readonly<Record<string, string>>): Fault | null {
  const entries = Object.entries(headers);
  if (entries.length > LIMITS.headers) return { path: ['headers'], problem: `must be at most ${LIMITS.headers}` };
  for (const [name, value] of entries) {
    const path = ['headers', name];
    if (!HEADER_NAME.test(name)) return { path, problem: 'a name must be 1 to 128 characters of A-Z a-z 0-9 _ . -' };
    if (OWN_HEADERS.includes(name.toLowerCase())) return { path, problem: 'is set by Tercet; leave it out' };
    if (!isText(value, 0, LIMITS.headerChars)) {
      return { path, problem: `must be text of at most ${LIMITS.headerChars} characters without U+0000` };
    }
  }
  return null;
}

/** PostgreSQL's text holds no U+0000. */
export function isText(value: unknown, min: number, max: number): value is string {
  return typeof value === 'string' && value.length >= min && value.length <= max && !value.includes('\0');
}
