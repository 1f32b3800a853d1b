/** Text that only those with the key can read, or have written: AES-256-GCM. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** @param name of the option, for the message @throws RangeError unless it has 32 bytes; as text it is base64 */
export function keyOf(name: string, given: Uint8Array | string): Buffer {
  const key = typeof given === 'string' ? Buffer.from(given, 'base64') : Buffer.from(given);
  if (key.length === KEY_BYTES) return key;
  throw new RangeError(`${name} has ${key.length} bytes; it must have ${KEY_BYTES}, as text in base64`);
}

/** @param place where the text belongs: it opens nowhere else */
export function sealText(key: Buffer, text: string, place: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, iv).setAAD(Buffer.from(place));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64');
}

/** @throws Error: not sealed with this key for this place, or changed since */
export function openText(key: Buffer, sealed: string, place: string): string {
  const bytes = Buffer.from(sealed, 'base64');
  const tag = bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES);
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(place))
    .setAuthTag(tag);
  const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
  return text.toString('utf8');
}
