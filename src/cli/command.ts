/** What a command is, how its arguments are read, and its help. */
import { parseArgs } from 'node:util';
import { WrongUse } from './exit.js';
import type { Exit } from './exit.js';
import { wrap } from './terminal.js';

/** Help is as wide as the narrowest terminal that is common. */
const HELP_COLUMNS = 80;
const LEFT_COLUMNS = 40;

export interface Option {
  /** Name of its value in the help; a flag has none. */
  readonly value?: string;
  readonly says: string;
  readonly isRepeatable?: true;
}

export interface Command {
  /** As it is typed: `tx list`. */
  readonly name: string;
  /** One line, for the overview. */
  readonly summary: string;
  /** What comes behind the name, as the help shows it. */
  readonly operands?: string;
  /** How many operands there may be; none by default. */
  readonly operandCount?: { readonly from: number; readonly to: number };
  readonly options?: Readonly<Record<string, Option>>;
  /** What the summary leaves out. */
  readonly about?: string;
  /** Each with what it does. */
  readonly examples: readonly (readonly [string, string])[];
  /** Hands all arguments on as they are. */
  readonly isPassing?: true;
  run(given: Given): Promise<Exit>;
}

/** What was given on the command line. */
export class Given {
  constructor(
    readonly operands: readonly string[],
    private readonly values: Readonly<Record<string, undefined | string | boolean | (string | boolean)[]>>,
  ) {}

  has(name: string): boolean {
    return this.values[name] !== undefined;
  }

  text(name: string): string | undefined {
    return this.texts(name).at(-1);
  }

  texts(name: string): string[] {
    return [this.values[name] ?? []].flat().filter((value) => typeof value === 'string');
  }
}

/** @throws WrongUse naming the argument that is wrong */
export function read(command: Command, args: readonly string[]): Given {
  if (command.isPassing) return new Given(args, {});
  const { options = {}, operandCount = { from: 0, to: 0 } } = command;
  const known = Object.entries(options).map(([name, { value, isRepeatable = false }]) => {
    return [name, { type: value === undefined ? 'boolean' : 'string', multiple: isRepeatable }] as const;
  });
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options: Object.fromEntries(known), allowPositionals: true });
  } catch (error) {
    // Node's first sentence names the option; the others say how to escape from it.
    const [sentence = ''] = (error as Error).message.split(/\.\s|\n/);
    throw new WrongUse(sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, ''));
  }
  const { positionals } = parsed;
  const extra = positionals[operandCount.to];
  if (extra !== undefined) throw new WrongUse(`'${extra}' is one argument too many`);
  if (positionals.length < operandCount.from) throw new WrongUse(`it needs ${command.operands ?? ''}`);
  return new Given(positionals, parsed.values);
}

export function help(command: Command): string {
  const { name, summary, operands, options = {}, about, examples } = command;
  const usage = ['usage: tercet', name, operands, Object.keys(options).length > 0 ? '[options]' : ''];
  const parts = [
    `${usage.filter(Boolean).join(' ')}\n`,
    `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.\n`,
    about === undefined ? '' : `${wrap(about, HELP_COLUMNS).join('\n')}\n`,
    section(
      'options',
      Object.entries(options).map(([option, { value, says }]) => [`--${option}${value ? ` ${value}` : ''}`, says]),
    ),
    section('examples', examples),
  ];
  return parts.filter(Boolean).join('\n');
}

/** Pairs as two columns; what is too long for the first one gets a line of its own. */
export function section(title: string, pairs: readonly (readonly [string, string])[]): string {
  if (pairs.length === 0) return '';
  const widest = Math.max(0, ...pairs.map(([left]) => left.length).filter((length) => length <= LEFT_COLUMNS));
  const lines = pairs.flatMap(([left, right]) => {
    const isLong = left.length > widest;
    const indent = ' '.repeat(isLong ? 6 : widest + 4);
    const [first = '', ...more] = wrap(right, HELP_COLUMNS - indent.length);
    const head = isLong ? [`  ${left}`, indent + first] : [`  ${left.padEnd(widest)}  ${first}`];
    return [...head, ...more.map((line) => indent + line)];
  });
  return `${title === '' ? '' : `${title}:\n`}${lines.join('\n')}\n`;
}
