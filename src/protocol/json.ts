/** What JSON may hold to pass through Tercet unchanged, in any language; see the head of docs/wire.md. */
import { LIMITS } from './words.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/**
 * Looks through the text of a valid JSON document. It reads the text and not the parsed value, because parsing
 * loses what is looked for: the last digits of a long number.
 *
 * @returns what is wrong, or null
 */
export function jsonProblem(text: string): string | null {
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      const end = endOfString(text, index);
      if (end < 0) return 'holds the character U+0000';
      index = end;
    } else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > LIMITS.jsonDepth) return `is nested more than ${LIMITS.jsonDepth} levels deep`;
    } else if (code === 0x7d || code === 0x5d) {
      depth -= 1;
    } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      NUMBER.lastIndex = index;
      const digits = NUMBER.exec(text)?.[0] ?? '';
      const value = Number(digits);
      if (Math.abs(value) > Number.MAX_SAFE_INTEGER)
        return `holds the number ${digits.slice(0, 40)}, beyond ±(2^53−1); send it as a string`;
      index += Math.max(0, digits.length - 1);
    }
  }
  return null;
}

/** Index of the closing quote, or -1 where the string holds an escaped U+0000. */
function endOfString(text: string, start: number): number {
  for (let index = start + 1; ; index += 1) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) return index;
    if (code !== BACKSLASH) continue;
    if (text.startsWith('u0000', index + 1)) return -1;
    index += 1;
  }
}

/** Names need no escapes. */
const NAME = /^[\w./:-]*$/;

/** The JSON text of a string: as JSON.stringify, and several times as fast for what is mostly names. */
export function quoted(text: string): string {
  return NAME.test(text) ? `"${text}"` : JSON.stringify(text);
}
