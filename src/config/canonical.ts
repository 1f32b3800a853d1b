/** One text for one value, whatever order its keys came in; and its checksum. */
import { hash } from 'node:crypto';
import type { Json } from '../protocol/words.js';

/**
 * RFC 8785: keys sorted by their UTF-16 code units, no white space, numbers and strings as JSON.stringify writes them. Keys
 * whose value is undefined are left out.
 */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const parts = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
  return `{${parts.join(',')}}`;
}

/** SHA-256 of the canonical JSON, 64 hex digits. */
export function checksumOf(value: Json): string {
  return hash('sha256', canonicalJson(value), 'hex');
}
