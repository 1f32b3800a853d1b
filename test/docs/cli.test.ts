/** docs/cli.md names every command, option and exit code, and shows only what the command line takes. */
import { readFileSync } from 'node:fs';
import { read } from '../../src/cli/command.js';
import { COMMANDS } from '../../src/cli/commands.js';
import { EXIT } from '../../src/cli/exit.js';

const document = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const operations = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');

test('every command and every option is in it', () => {
  for (const { name, options = {} } of COMMANDS) {
    expect(document).toContain(`\`${name}\``);
    for (const option of Object.keys(options))
      expect([name, option, document.includes(`--${option}`)]).toEqual([name, option, true]);
  }
});

test('every exit code is in its table, and no other', () => {
  const [table = ''] = /\| exit code[^]*?\n\n/.exec(document) ?? [];
  const codes = [...table.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap(([, cell = '']) => cell.split(', ').map(Number));
  expect(codes).toEqual(Object.values(EXIT));
});

/** The words of a command as a shell would split them, without what follows a pipe. */
function words(line: string): string[] {
  const [own = ''] = line.split(' | ');
  return [...own.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

const shown = [document, operations].flatMap((text) => [
  ...text.matchAll(/^\$ tercet (.*)$|`tercet ((?:tx|component|outbox|key|doctor)\b[^`]*)`/gm),
]);
const examples = COMMANDS.flatMap(({ examples: list }) => list.map(([line]) => line));

test.each([
  ...shown.map(([, inConsole, inText]) => inConsole ?? inText ?? ''),
  ...examples.map((line) => line.replace(/^(\S+=\S+ )*tercet /, '')),
])('`tercet %s` is one that it takes', (line) => {
  const [first = '', second = '', ...rest] = words(line);
  const command =
    COMMANDS.find(({ name }) => name === `${first} ${second}`) ?? COMMANDS.find(({ name }) => name === first);
  expect(command?.name).toBeDefined();
  if (!command || (rest.length === 0 && !line.includes('--'))) return;
  read(command, command.name.includes(' ') ? rest : [second, ...rest]);
});
