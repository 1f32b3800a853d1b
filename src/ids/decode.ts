/** What an id says of itself. */
import { decodeNumber, LAST_MS } from './layout.js';
import type { Snowflake } from './layout.js';

export type Decoded =
  | ({ readonly kind: 'snowflake' } & Snowflake)
  | {
      readonly kind: 'uuidv7';
      /** ms since 1970. */
      readonly at: number;
      /** Of the same ms, as the generator of this project counts: 42 bits. */
      readonly counter: bigint;
    };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{12}$/i;
const MAX = 2n ** 63n - 1n;
/** The first ms that is none of a number that a segment, a sequence or Redis counts to. */
const LEAST = 2n ** 22n;

/** @throws RangeError in words, unless it is a snowflake of this project or a UUIDv7 */
export function decode(id: string): Decoded {
  const [, version, variant = ''] = UUID.exec(id) ?? [];
  if (version !== undefined) {
    if (version !== '7' || !/[89ab]/i.test(variant)) {
      throw new RangeError(`'${id}' is a UUID, but none of version 7: it does not say when it was made`);
    }
    const bits = BigInt(`0x${id.replaceAll('-', '')}`);
    const counter = (((bits >> 64n) & 0xfffn) << 30n) | ((bits >> 32n) & 0x3fffffffn);
    return { kind: 'uuidv7', at: Number(bits >> 80n), counter };
  }
  if (!/^\d{1,19}$/.test(id) || BigInt(id) > MAX) {
    throw new RangeError(`'${id}' is neither a number of 63 bits nor a UUID`);
  }
  if (BigInt(id) < LEAST) {
    throw new RangeError(`'${id}' is too small for a snowflake: a segment, a sequence or Redis counted it`);
  }
  const parts = decodeNumber(BigInt(id));
  if (parts.at > LAST_MS) throw new RangeError(`'${id}' is no snowflake: its time lies beyond 41 bits`);
  return { kind: 'snowflake', ...parts };
}
