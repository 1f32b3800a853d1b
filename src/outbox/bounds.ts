/** What a message may be; the same for a service's own outbox and for what the coordinator is given. */

const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;
const HEADER = /^[A-Za-z0-9_.-]{1,128}$/;
export const MAX_KEY_CHARS = 1024;
export const MAX_HEADERS = 64;
export const MAX_HEADER_CHARS = 1024;
export const MAX_PAYLOAD_BYTES = 256 * 1024;

/** Set by Tercet on every message that has something to say there. */
const RESERVED = [
  'ce_specversion',
  'ce_id',
  'ce_time',
  'ce_partitionkey',
  'ce_gid',
  'ce_branchid',
  'traceparent',
  'tracestate',
];

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
  if (!isTopic(topic)) {
    return { path: ['topic'], problem: "must be 1 to 249 characters of a-z A-Z 0-9 . _ -, and not '.' or '..'" };
  }
  if (key !== undefined && key !== null && !isText(key, 1, MAX_KEY_CHARS)) {
    return { path: ['key'], problem: `must be null or text of 1 to ${MAX_KEY_CHARS} characters without U+0000` };
  }
  return headers === undefined ? null : faultOfHeaders(headers);
}

function faultOfHeaders(headers: Readonly<Record<string, string>>): Fault | null {
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS) return { path: ['headers'], problem: `must be at most ${MAX_HEADERS}` };
  for (const [name, value] of entries) {
    const path = ['headers', name];
    if (!HEADER.test(name)) return { path, problem: 'a name must be 1 to 128 characters of A-Z a-z 0-9 _ . -' };
    if (RESERVED.includes(name.toLowerCase())) return { path, problem: 'is set by Tercet; leave it out' };
    if (!isText(value, 0, MAX_HEADER_CHARS)) {
      return { path, problem: `must be text of at most ${MAX_HEADER_CHARS} characters without U+0000` };
    }
  }
  return null;
}

function isTopic(topic: unknown): boolean {
  return typeof topic === 'string' && TOPIC.test(topic) && topic !== '.' && topic !== '..';
}

/** PostgreSQL's text holds no U+0000. */
export function isText(value: unknown, min: number, max: number): value is string {
  return typeof value === 'string' && value.length >= min && value.length <= max && !value.includes('\0');
}
