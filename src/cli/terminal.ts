/** What is printed: safe for a terminal, coloured on one, cut to its width. */

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;
export type Style = keyof typeof CODES;

const { env, stdout } = process;
const hasColour = stdout.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb';

/** Of the terminal; COLUMNS where it is set, 80 where nobody knows. */
export const COLUMNS = Number(env['COLUMNS']) || (stdout.isTTY && stdout.columns) || 80;

export function style(text: string, ...styles: readonly Style[]): string {
  if (!hasColour || styles.length === 0 || text === '') return text;
  return `${styles.map((name) => `\u001b[${CODES[name]}m`).join('')}${text}\u001b[0m`;
}

export function print(line = ''): void {
  stdout.write(`${line}\n`);
}

/** JSON for scripts: one value on one line. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** For the person beside the output, who may pipe it elsewhere. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Text that others wrote, on one line and without what a terminal would take for a command. */
export function plain(text: string): string {
  return text.replace(/[\s\p{Zl}\p{Zp}]+/gu, ' ').replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '·');
}

const WIDE = /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u;
const NARROWEST = /\p{M}/u;

function widthOf(character: string): number {
  if (NARROWEST.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Columns that it takes. */
export function width(text: string): number {
  let columns = 0;
  for (const character of text) columns += widthOf(character);
  return columns;
}

export function cut(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let kept = '';
  let left = columns - 1;
  for (const character of text) {
    left -= widthOf(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept.trimEnd()}…`;
}

/** Lines of at most so many columns, where no word is longer. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || width(last) + 1 + width(word) > columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
