/** Replies as JSON text, checked before the work commits: later the coordinator could only call them unknown. */
import { jsonProblem } from '../../protocol/json.js';
import { LIMITS } from '../../protocol/words.js';
import type { Json } from '../../protocol/words.js';
import { jsonText } from '../json-text.js';

/**
 * @returns null for undefined and null
 * @throws RangeError for what JSON cannot carry to the coordinator unchanged
 */
export function replyText(reply: unknown): string | null {
  if (reply === undefined || reply === null) return null;
  const text = jsonText(reply, 'the reply');
  if (text === undefined) throw new RangeError(`the reply is a ${typeof reply}: answer with data`);
  const bytes = Buffer.byteLength(text);
  if (bytes > LIMITS.replyBytes) {
    throw new RangeError(`the reply has ${bytes} bytes, ${LIMITS.replyBytes} are allowed: answer with less`);
  }
  const problem = jsonProblem(text);
  if (problem !== null) throw new RangeError(`the reply ${problem}`);
  return text;
}

export function replyOf(text: string | null): Json {
  return text === null ? null : (JSON.parse(text) as Json);
}
