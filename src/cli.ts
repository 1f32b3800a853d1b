/** The command line: finds the command, runs it, and turns what went wrong into words and an exit code. */
import { help, read } from './cli/command.js';
import type { Command } from './cli/command.js';
import { COMMANDS, fullHelp, groupHelp, overview } from './cli/commands.js';
import { EXIT, Failure, WrongUse } from './cli/exit.js';
import { VERSION } from './version.js';

export async function main(args: readonly string[]): Promise<void> {
  endQuietly(process.stdout);
  endQuietly(process.stderr);
  process.exitCode = await run(args);
}

/** Whoever reads the output may stop before its end. */
function endQuietly(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.done);
  });
}

async function run(args: readonly string[]): Promise<number> {
  const [first = ''] = args;
  if (first === '--version') return said(`${VERSION}\n`);
  if (first === '--help' || first === '-h') return said(fullHelp());
  if (first === 'help') return helpFor(args.slice(1));
  const command = find(args);
  if (!command) return wrong(args);
  const rest = args.slice(command.name.split(' ').length);
  const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  if (own.includes('--help') || own.includes('-h')) return said(help(command));
  try {
    return await command.run(read(command, rest));
  } catch (error) {
    if (error instanceof WrongUse) return told(`${help(command)}\ntercet ${command.name}: ${error.message}\n`);
    if (!(error instanceof Failure)) throw error;
    const lines = [`tercet: ${error.message}`, ...error.more, ...(error.next === null ? [] : [`  ${error.next}`])];
    return told(`${lines.join('\n')}\n`, error.exit);
  }
}

function helpFor(words: readonly string[]): number {
  const command = find(words);
  const text = words.length === 0 ? fullHelp() : command ? help(command) : groupHelp(words[0] ?? '');
  return text === null ? wrong(words) : said(text);
}

function find(words: readonly string[]): Command | undefined {
  const [first = '', second = ''] = words;
  // `outbox` is a command, and so is `outbox dead`.
  return COMMANDS.find(({ name }) => name === `${first} ${second}`) ?? COMMANDS.find(({ name }) => name === first);
}

function wrong([first = '', second = '']: readonly string[]): number {
  if (first === '') return told(overview());
  const group = groupHelp(first);
  if (group === null) return told(`${overview()}\ntercet: there is no command '${first}'\n`);
  if (second === '--help' || second === '-h') return said(group);
  return told(second === '' ? group : `${group}\ntercet ${first}: there is no command '${second}'\n`);
}

function said(text: string): number {
  process.stdout.write(text);
  return EXIT.done;
}

function told(text: string, exit: number = EXIT.wrongUse): number {
  process.stderr.write(text);
  return exit;
}
