import { canonicalJson, checksumOf } from '../../src/config/canonical.js';
import type { Json } from '../../src/protocol/words.js';

it('has one text for one value, whatever order its keys came in', () => {
  const text = '{"":0,"A":[1.5,null,{"x":"\\u0001é","y":true}],"a":{},"é":-0}'.replace('-0', '0');
  expect(canonicalJson({ é: -0, a: {}, A: [1.5, null, { y: true, x: '\u0001é' }], '': 0 })).toBe(text);
});

it('keeps a key __proto__ as data', () => {
  expect(canonicalJson(JSON.parse('{"__proto__": 1, "B": 2}') as Json)).toBe('{"B":2,"__proto__":1}');
});

it('has another checksum as soon as anything differs, and SHA-256 of the text for it', () => {
  expect(checksumOf({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
  expect(checksumOf({ a: 1 })).not.toBe(checksumOf({ a: '1' }));
});
