/** Tables for people: as wide as what is in them; the last column takes what is left of the terminal. */
import { COLUMNS, cut, style, width, wrap } from './terminal.js';
import type { Style } from './terminal.js';

export interface Column {
  readonly title: string;
  readonly isNumber?: true;
}

/** Text, or text in a colour. */
export type Cell = string | readonly [string, ...Style[]];

const GAP = '  ';
/** The last column is never narrower, however wide the others are. */
const LAST_COLUMNS = 16;

/** @returns its lines, the titles first */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], indent = ''): string[] {
  const titles = columns.map(({ title }): Cell => [title, 'dim']);
  const widths = columns.map((_column, index) =>
    Math.max(...[titles, ...rows].map((row) => width(textOf(row[index] ?? '')))),
  );
  const before = widths.slice(0, -1).reduce((sum, columnWidth) => sum + columnWidth + GAP.length, indent.length);
  const left = Math.max(LAST_COLUMNS, COLUMNS - before);
  const line = (row: readonly Cell[]): string => {
    const cells = columns.map(({ isNumber }, index) => {
      const cell = row[index] ?? '';
      const isLast = index === columns.length - 1;
      const text = isLast ? cut(textOf(cell), left) : textOf(cell);
      const padding = ' '.repeat(Math.max(0, (widths[index] ?? 0) - width(text)));
      const shown = style(text, ...stylesOf(cell));
      if (isNumber) return padding + shown;
      return isLast ? shown : shown + padding;
    });
    return (indent + cells.join(GAP)).trimEnd();
  };
  return [titles, ...rows].map(line);
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell[0];
}

/** A cell by itself. */
export function painted(cell: Cell): string {
  return style(textOf(cell), ...stylesOf(cell));
}

function stylesOf(cell: Cell): readonly Style[] {
  if (typeof cell === 'string') return [];
  const [_text, ...styles] = cell;
  return styles;
}

/** A name and what there is to say of it. */
export type Fact = readonly [string, string, ...Style[]];

/** Facts under each other, their names in one column; what is long goes on below itself. */
export function facts(list: readonly Fact[]): string[] {
  const widest = Math.max(...list.map(([name]) => name.length));
  const indent = ' '.repeat(widest + 2 + GAP.length);
  return list.flatMap(([name, text, ...styles]) => {
    const [first = '', ...more] = wrap(text, COLUMNS - indent.length).map((line) => style(line, ...styles));
    return [`  ${style(name.padEnd(widest), 'dim')}${GAP}${first}`, ...more.map((line) => indent + line)];
  });
}
