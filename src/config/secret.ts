/** Secrets in a content: `{"$secret": TEXT}`, where the text is clear as it comes in, and sealed from then on. */
import type { Json } from '../protocol/words.js';

export const SECRET_KEY = '$secret';
/** What is shown in place of the text. Sent back, it keeps what is there. */
export const MASK = '••••••';

/** The text of a secret; undefined: it is none. */
export function secretIn(value: Json | undefined): string | undefined {
  if (value === undefined || value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  const text = Object.hasOwn(value, SECRET_KEY) ? value[SECRET_KEY] : undefined;
  return typeof text === 'string' && Object.keys(value).length === 1 ? text : undefined;
}

/** Whether there may be one: false is certain. @param text JSON */
export function mayHoldSecrets(text: string): boolean {
  return text.includes(`"${SECRET_KEY}"`);
}

/** The same with another value in the place of each secret. */
export function withSecrets(value: Json, replaced: (text: string) => Json): Json {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => withSecrets(item, replaced));
  const text = secretIn(value);
  if (text !== undefined) return replaced(text);
  // A key __proto__ stays data.
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, withSecrets(field, replaced)]));
}

/** As people see it. */
export function masked(value: Json): Json {
  return withSecrets(value, () => ({ [SECRET_KEY]: MASK }));
}
