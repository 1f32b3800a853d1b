/** A content of namespace `coordinator`: what is in it, what is wrong with it, and the schema that says so. */
import { z } from 'zod';
import type { ConfigContent } from '../protocol/config.js';
import type { FieldError } from '../protocol/errors.js';
import { IDENTIFIER } from '../protocol/words.js';
import type { Json } from '../protocol/words.js';
import { COMPONENT_KEYS, NODE_KEYS } from './keys.js';
import type { ComponentValues, Key, NodeValues } from './keys.js';

const COMPONENTS = 'components';
const NAME_PROBLEM = 'the name of a component must be 1 to 128 characters of A-Z a-z 0-9 . _ : -, and not . or ..';

export interface Reading {
  /** What of it makes sense. */
  readonly values: Partial<NodeValues>;
  readonly components: ReadonlyMap<string, ComponentValues>;
  /** What does not, by JSON pointer. */
  readonly faults: readonly FieldError[];
}

/** What is wrong keeps nothing else from being read. */
export function readContent(content: Json): Reading {
  const faults: FieldError[] = [];
  const components = new Map<string, ComponentValues>();
  if (!isObject(content)) return { values: {}, components, faults: [{ path: '', message: 'must be an object' }] };
  const { [COMPONENTS]: named, ...rest } = content;
  const values = read(rest, NODE_TREE, '', faults);
  if (isObject(named)) {
    for (const [name, part] of Object.entries(named)) {
      const path = pointer(pointer('', COMPONENTS), name);
      if (!IDENTIFIER.test(name)) faults.push({ path, message: NAME_PROBLEM });
      else components.set(name, read(part, COMPONENT_TREE, path, faults));
    }
  } else if (named !== undefined) faults.push({ path: pointer('', COMPONENTS), message: 'must be an object' });
  for (const [name, component] of components) {
    const { 'retry.baseMs': baseMs, 'retry.capMs': capMs } = component;
    if (baseMs === undefined || capMs === undefined || capMs >= baseMs) continue;
    faults.push({ path: `/${COMPONENTS}/${name}/retry/capMs`, message: 'must not be less than baseMs' });
  }
  return { values, components, faults };
}

/** What the configuration center checks each content by. */
export const COORDINATOR_CONTENT = {
  check: (content: ConfigContent): FieldError[] => [...readContent(content).faults],
  get schema(): Json {
    const names = { pattern: IDENTIFIER.source };
    const components = { type: 'object', propertyNames: names, additionalProperties: schemaOf(COMPONENT_TREE) };
    const { properties, ...node } = schemaOf(NODE_TREE);
    const $schema = 'https://json-schema.org/draft/2020-12/schema';
    return { $schema, ...node, properties: { ...properties, [COMPONENTS]: components } };
  },
};

/** Paths with their dots taken apart. */
type Tree = ReadonlyMap<string, Tree | { readonly path: string; readonly key: Key }>;

const NODE_TREE = treeOf(NODE_KEYS);
const COMPONENT_TREE = treeOf(COMPONENT_KEYS);

function treeOf(keys: Readonly<Record<string, Key>>): Tree {
  const root = new Map<string, Tree | { path: string; key: Key }>();
  for (const [path, key] of Object.entries(keys)) {
    const [first = '', second] = path.split('.');
    if (second === undefined) root.set(first, { path, key });
    else root.set(first, new Map([...((root.get(first) as Tree | undefined) ?? []), [second, { path, key }]]));
  }
  return root;
}

function read(content: Json, tree: Tree, at: string, faults: FieldError[]): object {
  if (!isObject(content)) {
    faults.push({ path: at, message: 'must be an object' });
    return {};
  }
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(content)) {
    const path = pointer(at, name);
    const found = tree.get(name);
    if (!found) faults.push({ path, message: `is none of ${[...tree.keys()].join(', ')}` });
    else if (found instanceof Map) Object.assign(values, read(value, found as Tree, path, faults));
    else {
      const { path: name, key } = found as { path: string; key: Key };
      const parsed = key.schema.safeParse(value);
      if (parsed.success) values[name] = parsed.data;
      else faults.push({ path, message: parsed.error.issues[0]?.message ?? 'is not valid' });
    }
  }
  return values;
}

interface TreeSchema {
  type: 'object';
  additionalProperties: false;
  properties: Record<string, Json>;
}

function schemaOf(tree: Tree): TreeSchema & Record<string, Json> {
  const properties = Object.fromEntries(
    [...tree].map(([name, found]): [string, Json] => {
      if (found instanceof Map) return [name, schemaOf(found as Tree)];
      const { key } = found as { key: Key };
      const { $schema: _dialect, ...schema } = z.toJSONSchema(key.schema) as Record<string, Json>;
      return [name, { ...schema, description: key.help, $comment: key.kind }];
    }),
  );
  return { type: 'object', additionalProperties: false, properties };
}

const isObject = (value: Json | undefined): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const pointer = (at: string, name: string): string => `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
