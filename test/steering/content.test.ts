/** A content of the coordinators: all that is wrong is said, by where it stands, and what is right is read all the same. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { COORDINATOR_CONTENT, readContent } from '../../src/steering/content.js';
import { COMPONENT_KEYS, NODE_KEYS } from '../../src/steering/keys.js';
import type { ConfigContent } from '../../src/protocol/config.js';

const fits = new Ajv2020({ strict: false }).compile(COORDINATOR_CONTENT.schema as object);

test.each<[string, ConfigContent, string[]]>([
  ['nothing', {}, []],
  ['values of all sorts', { log: { level: 'warn' }, limits: { beginsPerSecond: null }, deadLetters: 'skip' }, []],
  ['a key that there is not', { log: { colour: 'red' }, colour: 'red' }, ['/log/colour', '/colour']],
  ['a value out of bounds', { limits: { unfinished: 0, requests: 1.5 } }, ['/limits/unfinished', '/limits/requests']],
  ['null where no null may be', { limits: { unfinished: null } }, ['/limits/unfinished']],
  ['no object', { log: 'warn', components: [] }, ['/log', '/components']],
  ['a key of a component that there is not', { components: { a: { url: 'x' } } }, ['/components/a/url']],
  ['a name that none can have', { components: { 'a/b~': {} } }, ['/components/a~1b~0']],
])('%s', (_what, content, paths) => {
  expect(COORDINATOR_CONTENT.check(content).map(({ path }) => path)).toEqual(paths);
  expect([fits(content), content]).toEqual([paths.length === 0, content]);
});

test('a pause that may not grow to where it begins is refused, where a release gives both', () => {
  const of = (retry: ConfigContent) => COORDINATOR_CONTENT.check({ components: { account: { retry } } });
  expect(of({ baseMs: 100, capMs: 99 })).toEqual([
    { path: '/components/account/retry/capMs', message: 'must not be less than baseMs' },
  ]);
  expect(of({ baseMs: 100, capMs: 100 })).toEqual([]);
  expect(of({ capMs: 1 })).toEqual([]);
});

test('no message names a value', () => {
  const secret = 'correct-horse';
  const faults = COORDINATOR_CONTENT.check({
    log: { level: secret },
    deadLetters: secret,
    limits: { requests: secret },
  });
  expect(faults).toHaveLength(3);
  expect(JSON.stringify(faults)).not.toContain(secret);
});

test('what is wrong keeps nothing else from being read', () => {
  const { values, components } = readContent({
    log: { level: 'loud' },
    limits: { unfinished: 5, soon: 1 },
    components: { account: { paused: true, timeoutMs: -1, retry: { capMs: 7, later: 1 } } },
  });
  expect(values).toEqual({ 'limits.unfinished': 5 });
  expect(components.get('account')).toEqual({ paused: true, 'retry.capMs': 7 });
});

test('a component may have the name of what every object has', () => {
  const content = JSON.parse(
    '{"components":{"__proto__":{"paused":true},"constructor":{"timeoutMs":"x"}}}',
  ) as ConfigContent;
  const { components, faults } = readContent(content);
  expect(components.get('__proto__')).toEqual({ paused: true });
  expect(faults.map(({ path }) => path)).toEqual(['/components/constructor/timeoutMs']);
});

test('the schema has every key, and says of each what it is for and when it counts', () => {
  interface Schema {
    properties: Record<string, Schema>;
    additionalProperties: Schema;
    description: string;
    $comment: string;
  }
  const at = (schema: Schema, path: string): Schema =>
    path.split('.').reduce((found, name) => found.properties[name] as Schema, schema);
  const root = COORDINATOR_CONTENT.schema as unknown as Schema;
  const component = at(root, 'components').additionalProperties;
  for (const [schema, keys] of [
    [root, NODE_KEYS],
    [component, COMPONENT_KEYS],
  ] as const) {
    for (const [path, { help, kind }] of Object.entries(keys)) {
      expect([path, at(schema, path)]).toMatchObject([path, { description: help, $comment: kind }]);
    }
  }
});
