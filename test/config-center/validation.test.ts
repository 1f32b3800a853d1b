import { brokenRules, rulesProblems } from '../../src/config-center/rules.js';
import { Schemas } from '../../src/config-center/schemas.js';
import { TooSlow, within } from '../../src/config-center/time-limit.js';
import type { ConfigContent, ConfigRule } from '../../src/protocol/config.js';
import { TercetError } from '../../src/protocol/errors.js';
import type { Json } from '../../src/protocol/words.js';

const schemas = new Schemas();

function senseless(schema: Json): TercetError {
  try {
    schemas.textOf(schema);
  } catch (error) {
    if (error instanceof TercetError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

it.each<[Json, string, string]>([
  [{ pool: { size: 3 } }, '', "must have required property 'url'"],
  [{ url: 'http://x', extra: 1 }, '', 'must NOT have additional properties: extra'],
  [{ url: 'http://x', pool: { size: 0 } }, '/pool/size', 'must be >= 1'],
])('tells what of %j does not fit, by JSON pointer', (content, path, message) => {
  const text = schemas.textOf({
    type: 'object',
    required: ['url'],
    additionalProperties: false,
    properties: {
      url: { type: 'string' },
      pool: { type: 'object', properties: { size: { type: 'integer', minimum: 1 } } },
    },
  });
  expect(schemas.misfits(text, content as ConfigContent)).toEqual([{ path, message }]);
  expect(schemas.misfits(text, { url: 'http://x', pool: { size: 3 } })).toEqual([]);
});

/** Each level is checked twice, so the whole 2^40 times. */
const doubling = (): Json => {
  const levels = Array.from({ length: 40 }, (_, n): [string, Json] => {
    return [`n${n}`, { anyOf: [{ $ref: `#/$defs/n${n + 1}` }, { $ref: `#/$defs/n${n + 1}` }] }];
  });
  return { $ref: '#/$defs/n0', $defs: { ...Object.fromEntries(levels), n40: { type: 'array' } } };
};

it.each<[string, Json]>([
  ['a pattern that tries all ways', { properties: { a: { type: 'string', pattern: '^(a+)+$' } } }],
  ['alternatives in alternatives', doubling()],
  ['a schema that is about itself', { allOf: [{ $ref: '#' }] }],
])('ends a check that would take too long: %s', (_, schema) => {
  const text = schemas.textOf(schema);
  const began = performance.now();
  const problem = { path: '', message: 'its schema takes too long to check' };
  expect(schemas.misfits(text, { a: `${'a'.repeat(50)}!` })).toEqual([problem]);
  expect(performance.now() - began).toBeLessThan(5000);
  expect(schemas.misfits(schemas.textOf({ required: ['a'] }), { a: 1 })).toEqual([]);
});

it('ends what would take too long, also inside of another one, and passes on what was thrown', () => {
  const endless = (): never => {
    for (;;);
  };
  expect(() => within(50, endless)).toThrow(TooSlow);
  expect(
    within(10_000, () => {
      expect(() => within(50, endless)).toThrow(TooSlow);
      return 'went on';
    }),
  ).toBe('went on');
  const error = new TypeError('of its own');
  expect(() =>
    within(10_000, () => {
      throw error;
    }),
  ).toThrow(error);
});

it('reads 2020-12 unless $schema says draft-07, and nothing else', () => {
  const tuple = schemas.textOf({ properties: { a: { prefixItems: [{ type: 'string' }] } } });
  expect(schemas.misfits(tuple, { a: [1] })).toHaveLength(1);
  const $schema = 'http://json-schema.org/draft-07/schema#';
  const older = schemas.textOf({ $schema, properties: { a: { items: [{ type: 'string' }] } } });
  expect(schemas.misfits(older, { a: [1] })).toHaveLength(1);
  expect(senseless({ $schema: 'http://json-schema.org/draft-04/schema#' }).detail).toContain('2020-12 and draft-07');
});

it.each<[string, Json]>([
  ['is no object', true],
  ['has a type that there is not', { type: 'text' }],
  ['has a keyword that nobody knows', { type: 'object', propertys: {} }],
  ['refers to somewhere else', { $ref: 'http://other.example/schema' }],
  ['has a pattern that is none', { properties: { a: { type: 'string', pattern: '(' } } }],
  ['would be judged later', { $async: true, type: 'object' }],
  ['would be judged later in a part', { properties: { a: { $async: true, type: 'string' } } }],
  ['is too large', { title: 'x'.repeat(65_536) }],
])('refuses a schema that %s, and says so', (_, schema) => {
  expect(senseless(schema)).toMatchObject({ code: 'TERCET_CONFIG_SCHEMA_INVALID', errors: [{ path: 'schema' }] });
});

it('takes two schemas with the same $id for two', () => {
  const one = schemas.textOf({
    $id: 'http://x/s',
    type: 'object',
    properties: { a: { $id: 'inner', type: 'string' } },
  });
  const two = schemas.textOf({
    $id: 'http://x/s',
    type: 'object',
    properties: { a: { $id: 'inner', type: 'number' } },
  });
  expect(schemas.misfits(one, { a: 1 })).toHaveLength(1);
  expect(schemas.misfits(two, { a: 1 })).toEqual([]);
});

it('changes no content, also where a schema has defaults', () => {
  const content = {};
  expect(schemas.misfits(schemas.textOf({ properties: { a: { type: 'number', default: 1 } } }), content)).toEqual([]);
  expect(content).toEqual({});
});

const rule = (is: ConfigRule['is'], times?: number): ConfigRule => {
  return { path: '/a', is, than: '/b', ...(times === undefined ? {} : { times }) };
};

it.each<[ConfigRule, Json, Json, boolean]>([
  [rule('<'), 1, 2, true],
  [rule('<'), 2, 2, false],
  [rule('<='), 2, 2, true],
  [rule('>', 3), 7, 2, true],
  [rule('>', 3), 6, 2, false],
  [rule('>='), '9', 1, false],
  [rule('='), { x: [1], y: 2 }, { y: 2, x: [1] }, true],
  [rule('!='), 'a', 'a', false],
  [rule('!='), 'a', 1, true],
  [rule('=', 2), 'a', 'a', false],
])('%j with %j and %j', (tried, a, b, holds) => {
  expect(brokenRules([tried], { a, b })).toHaveLength(holds ? 0 : 1);
});

it('says of a broken rule where and what, and no value', () => {
  const [first, second] = brokenRules([rule('<', 3), { ...rule('='), message: 'a and b go together' }], {
    a: 'hunter2',
    b: 'swordfish',
  });
  expect(first).toEqual({ path: '/a', message: 'must be < 3 times /b, and both must be numbers' });
  expect(second).toEqual({ path: '/a', message: 'a and b go together' });
});

it('says nothing where one of the values is absent', () => {
  expect(brokenRules([rule('<')], { a: 1 })).toEqual([]);
  expect(brokenRules([rule('<')], { b: 1 })).toEqual([]);
});

it('names each field of a rule that makes no sense', () => {
  const bad = { path: 'a', is: '~', than: '/b~', times: Infinity } as unknown as ConfigRule;
  expect(rulesProblems([rule('<'), bad]).map(({ path }) => path)).toEqual([
    'rules/1/path',
    'rules/1/than',
    'rules/1/is',
    'rules/1/times',
  ]);
  expect(rulesProblems(Array.from({ length: 51 }, () => rule('<')))).toHaveLength(1);
});
