/** `tercet doctor`: what the coordinator found when it looked around, or what can be seen from here without it. */
import type { CheckView, DiagnosisView } from '../protocol/words.js';
import { VERSION } from '../version.js';
import { Api, REMOTE } from './api.js';
import type { Command } from './command.js';
import { EXIT, Failure } from './exit.js';
import { facts } from './table.js';
import type { Fact } from './table.js';
import { plain, print, printJson, style } from './terminal.js';

/** Components that do not answer take their time. */
const ANSWER_MS = 60_000;

export const doctor: Command = {
  name: 'doctor',
  summary: 'looks at settings, database, components and what waits',
  options: REMOTE,
  about: `The coordinator looks, and changes nothing: it makes a connection to each
component, and calls none. Where it cannot be reached, what can be seen from here
is told. ✓ right, ! may become wrong, ✗ wrong: then it ends with 1.`,
  examples: [
    ['tercet doctor', 'for a person'],
    ['tercet doctor --json | jq -r ".checks[] | select(.ok != true) | .name"', 'what is not right, for a script'],
  ],
  run: async (given) => {
    const api = new Api(given);
    let diagnosis: DiagnosisView;
    try {
      diagnosis = await api.get<DiagnosisView>('/v1/diagnosis', 'checks', {}, ANSWER_MS);
    } catch (error) {
      // It answered: what it said is what is wrong.
      if (!(error instanceof Failure) || error.exit !== EXIT.failed) throw error;
      // Loaded late: other commands need not wait for what reads settings.
      const { seenFromHere } = await import('./seen-from-here.js');
      diagnosis = { node: '', version: VERSION, checks: await seenFromHere(api.url, error) };
    }
    if (given.has('json')) printJson(diagnosis);
    else show(diagnosis);
    return diagnosis.checks.some(({ ok }) => ok === false) ? EXIT.failed : EXIT.done;
  },
};

function show({ node, version, checks }: DiagnosisView): void {
  const where = node === '' ? 'seen from here' : `node ${plain(node)}`;
  print(`${style(`tercet ${plain(version)}`, 'bold')}, ${where}`);
  for (const line of facts(checks.flatMap(factsOf))) print(line);
  const failures = checks.filter(({ ok }) => ok === false).length;
  const warnings = checks.filter(({ ok }) => ok === 'warning').length;
  print();
  if (failures + warnings === 0) print(style('all is well', 'green'));
  else print(`${style(`${failures} wrong`, ...(failures > 0 ? RED : []))}, ${warnings} to look at`);
}

const RED = ['red'] as const;
const MARKS = { good: ['✓', 'green'], warning: ['!', 'yellow'], wrong: ['✗', 'red'] } as const;

function factsOf({ name, ok, detail, advice }: CheckView): Fact[] {
  const [mark, colour] = ok === true ? MARKS.good : ok === false ? MARKS.wrong : MARKS.warning;
  const found: Fact = [`${mark} ${plain(name)}`, plain(detail), ...(ok === true ? [] : [colour])];
  return advice === null ? [found] : [found, ['', `→ ${plain(advice)}`]];
}
