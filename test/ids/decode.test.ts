/** What an id says of itself is what it was made with; what says nothing is refused in words. */
import { UUID } from 'uuidv7';
import { decode } from '../../src/ids/decode.js';
import { encode, EPOCH_MS, LAST_MS } from '../../src/ids/layout.js';

test.each([
  { at: EPOCH_MS + 1, worker: 0, sequence: 0 },
  { at: Date.UTC(2026, 10, 21, 20), worker: 1023, sequence: 4095 },
  { at: LAST_MS, worker: 512, sequence: 1 },
])('a snowflake of %o', (parts) => {
  expect(decode(encode(parts))).toEqual({ kind: 'snowflake', ...parts });
});

test('snowflakes rise with time, then worker id, then sequence', () => {
  const rising = [
    { at: EPOCH_MS + 5, worker: 1023, sequence: 4095 },
    { at: EPOCH_MS + 6, worker: 0, sequence: 0 },
    { at: EPOCH_MS + 6, worker: 0, sequence: 1 },
    { at: EPOCH_MS + 6, worker: 1, sequence: 0 },
    { at: LAST_MS, worker: 1023, sequence: 4095 },
  ].map((parts) => BigInt(encode(parts)));
  for (let index = 1; index < rising.length; index += 1) expect(rising[index]).toBeGreaterThan(rising[index - 1]!);
  expect(rising.at(-1)).toBe(2n ** 63n - 1n);
});

test('a UUIDv7, in capitals too: its time, and the 42 bits that its generator counts', () => {
  const at = Date.UTC(2026, 10, 21);
  const id = UUID.fromFieldsV7(at, 0xabc, 0x3fffffff, 7).toString();
  const expected = { kind: 'uuidv7', at, counter: (0xabcn << 30n) | 0x3fffffffn };
  expect([decode(id), decode(id.toUpperCase())]).toEqual([expected, expected]);
});

test.each([
  ['order-17', 'neither a number of 63 bits nor a UUID'],
  ['', 'neither a number of 63 bits nor a UUID'],
  ['-5', 'neither a number of 63 bits nor a UUID'],
  ['9223372036854775808', 'neither a number of 63 bits nor a UUID'],
  ['4711', 'too small for a snowflake'],
  ['7b0c1d2e-3f40-4a5b-8c6d-7e8f90a1b2c3', 'none of version 7'],
  ['019aa5b2-6f00-7c3e-0d2a-5b1f0e9c4d7a', 'none of version 7'],
])("'%s' is refused", (id, why) => {
  expect(() => decode(id)).toThrow(why);
});
