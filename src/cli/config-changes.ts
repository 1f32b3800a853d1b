/** What differs, as people read it: `~ /limits/max  5 → 10`. */
import type { ConfigChange } from '../protocol/config.js';
import type { FieldError } from '../protocol/errors.js';
import type { Json } from '../protocol/words.js';
import { COLUMNS, cut, plain, style, width, wrap } from './terminal.js';

const SIGNS = { added: ['+', 'green'], removed: ['-', 'red'], changed: ['~', 'yellow'] } as const;
/** Paths are lined up unless one is longer. */
const PATH_COLUMNS = 40;
/** Of a value, where two stand beside each other. */
const VALUE_COLUMNS = 12;

export function changeLines(changes: readonly ConfigChange[], indent = '  '): string[] {
  const paths = changes.map(({ path }) => (path === '' ? 'all of it' : plain(path)));
  const widest = Math.min(PATH_COLUMNS, Math.max(0, ...paths.map(width)));
  return changes.map(({ kind, from, to }, index) => {
    const [sign, colour] = SIGNS[kind];
    const path = paths[index] ?? '';
    const head = `${indent}${sign} ${path}${' '.repeat(Math.max(0, widest - width(path)))}  `;
    const left = Math.max(VALUE_COLUMNS, COLUMNS - width(head));
    return style(head + valuesOf(kind, from, to, left), colour);
  });
}

/** By namespace, each under its name. */
export function namespaceLines(
  environment: string,
  namespaces: Readonly<Record<string, readonly ConfigChange[]>>,
): string[] {
  return Object.entries(namespaces).flatMap(([namespace, changes]) => [
    style(`${environment}/${namespace}`, 'bold'),
    ...(changes.length === 0 ? ['  nothing differs'] : changeLines(changes)),
  ]);
}

export function problemLines(problems: readonly FieldError[], indent = '  '): string[] {
  return problems.flatMap(({ path, message }) => {
    const [first = '', ...more] = wrap(`${plain(path)}: ${plain(message)}`, COLUMNS - indent.length - 2);
    return [style(`${indent}${first}`, 'red'), ...more.map((line) => style(`${indent}  ${line}`, 'red'))];
  });
}

/** On one line; a secret by its dots. */
export function shownValue(value: Json | undefined): string {
  return plain(JSON.stringify(value ?? null, (_key, within: Json) => maskOf(within) ?? within));
}

function maskOf(value: Json): string | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  const { $secret, ...others } = value;
  return typeof $secret === 'string' && Object.keys(others).length === 0 ? `secret ${$secret}` : undefined;
}

function valuesOf(kind: ConfigChange['kind'], from: Json | undefined, to: Json | undefined, columns: number): string {
  if (kind === 'added') return cut(shownValue(to), columns);
  if (kind === 'removed') return cut(shownValue(from), columns);
  const [before, after] = [shownValue(from), shownValue(to)];
  if (before === after) return cut(`${after}, another one`, columns);
  if (width(before) + width(after) + 3 <= columns) return `${before} → ${after}`;
  const half = Math.max(VALUE_COLUMNS, Math.floor((columns - 3) / 2));
  const short = Math.min(width(before), half);
  return `${cut(before, Math.max(short, columns - 3 - width(after)))} → ${cut(after, Math.max(half, columns - 3 - short))}`;
}
