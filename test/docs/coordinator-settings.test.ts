/** docs/coordinator-settings.md lists the keys of the table in the code, and nothing else. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { readContent } from '../../src/steering/content.js';
import { COMPONENT_KEYS, NODE_KEYS } from '../../src/steering/keys.js';
import type { Key, NodeKey } from '../../src/steering/keys.js';
import type { Json } from '../../src/protocol/words.js';

const document = readFileSync(new URL('../../docs/coordinator-settings.md', import.meta.url), 'utf8');
const rows = (heading: string): string[] =>
  (document.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '').match(/^\| `.*$/gm) ?? [];

interface Schema {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Schema[];
}

function valueOf(schema: Schema): string {
  const { minimum, maximum, type, enum: words, anyOf } = schema;
  if (anyOf) return anyOf.map(valueOf).join(', or ');
  if (words) return words.map((word) => `\`${word}\``).join(', ');
  if (type === 'boolean') return '`true`, `false`';
  if (type === 'null') return '`null`';
  return `${minimum} to ${maximum}`;
}

const row = (path: string, { kind, schema, help }: Key, standard: string): string =>
  `| \`${path}\` | ${kind} | ${valueOf(z.toJSONSchema(schema) as Schema)} | ${standard} | ${help} |`;

test('of each node: a row for each key, with its kind, bounds, default and help', () => {
  const expected = Object.entries<NodeKey>(NODE_KEYS).map(([path, key]) => {
    const standard = `\`${String(key.standard)}\``;
    return row(path, key, key.setting === null ? standard : `\`${key.setting}\`, or ${standard}`);
  });
  expect(rows('Of each node')).toEqual(expected);
});

test('of each component: the same', () => {
  const expected = Object.entries(COMPONENT_KEYS).map(([path, key]) => {
    return row(path, key, key.standard === 'registration' ? 'registered' : `\`${String(key.standard)}\``);
  });
  expect(rows('Of each component')).toEqual(expected);
});

test('what is shown may be released', () => {
  const [, example = ''] = /```json\n([\s\S]*?)```/.exec(document) ?? [];
  const { values, components, faults } = readContent(JSON.parse(example) as Json);
  expect(faults).toEqual([]);
  expect(values).toEqual({ 'limits.beginsPerSecond': 500 });
  expect([...components.keys()]).toEqual(['account']);
});
