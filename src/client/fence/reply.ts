/** Replies as JSON text, checked before the work commits: later the coordinator could only call them unknown. */
import { LIMITS } from '../../protocol/words.js';
import type { Json } from '../../protocol/words.js';

/**
 * @returns null for undefined and null
 * @throws RangeError for what JSON cannot carry to the coordinator unchanged
 */
export function replyText(reply: unknown): string | null {
  if (reply === undefined || reply === null) return null;
  const text = JSON.stringify(reply, (_key, value: unknown) => {
    if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
      throw new RangeError(`the reply holds the number ${value}, beyond ±(2^53−1): send it as a string`);
    }
    if (typeof value === 'string' && value.includes('\0')) throw new RangeError('the reply holds the character U+0000');
    return value;
  });
  const bytes = Buffer.byteLength(text);
  if (bytes > LIMITS.replyBytes) {
    throw new RangeError(`the reply has ${bytes} bytes, ${LIMITS.replyBytes} are allowed: answer with less`);
  }
  return text;
}

export function replyOf(text: string | null): Json {
  return text === null ? null : (JSON.parse(text) as Json);
}
