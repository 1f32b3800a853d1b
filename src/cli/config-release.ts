/** `tercet config release|rollback|promote|abort|widen|rotate`: what comes into force, for whom, and when. */
import type { ReleaseView, RolloutView, Selector } from '../protocol/config.js';
import { Api, REMOTE } from './api.js';
import type { Command, Given, Option } from './command.js';
import { namespaceLines } from './config-changes.js';
import { ENV, environmentOf, environmentPath, namespaceName, numberOf, placeOrEnvironment } from './config-place.js';
import { selectorText } from './config-words.js';
import { EXIT, WrongUse } from './exit.js';
import type { Exit } from './exit.js';
import { durationOf } from './moments.js';
import { REASON, reasonOf } from './ordering.js';
import { painted, table } from './table.js';
import type { Cell } from './table.js';
import { note, plain, print, printJson, style } from './terminal.js';

/** A strict release is answered when it has ended, or after 25 s. */
const ANSWER_MS = 40_000;
const LOOK_MS = 500;
/** Longer than that behind its deadline nobody decides: then it is told as it is. */
const OVERDUE_MS = 20_000;

const SELECTOR: Readonly<Record<string, Option>> = {
  gray: { value: 'LABEL=VALUE', says: 'for instances that have it alone; several times', isRepeatable: true },
  percent: { value: 'N', says: 'for this share of them, 0.01 to 100, the same ones each time' },
};
const ROLLING: Readonly<Record<string, Option>> = {
  ...SELECTOR,
  strict: { says: 'for all coordinators at one instant; of the environment tercet alone' },
  deadline: { value: 'DURATION', says: 'of --strict: how long to wait until all are ready: 15s' },
  evict: { says: 'of --strict: who is not ready by then leaves; else nothing comes into force' },
  'dry-run': { says: 'says what it would change, and does nothing' },
};

const release: Command = {
  name: 'config release',
  summary: 'puts drafts in force, all at once',
  operands: 'ENV[/NAMESPACE] [NAMESPACE…]',
  operandCount: { from: 1, to: Infinity },
  options: { ...REASON, ...ROLLING, ...REMOTE },
  about: `Without a namespace, all that have a draft. A gray one is for a part of the
instances until \`config promote\` or \`config abort\`. A strict one ends with 4 where it
did not come into force.`,
  examples: [
    ['tercet config release production --reason "more orders" --dry-run', 'what it would change'],
    ['tercet config release production --reason "more orders"', 'for everybody'],
    ['tercet config release production --reason "try" --gray zone=a --percent 10', 'for some'],
    ['tercet config release tercet --reason "faster" --strict --deadline 15s', 'all coordinators at one instant'],
  ],
  run: async (given) => {
    const { environment, namespace } = placeOrEnvironment(given);
    const more = given.operands.slice(1).map(namespaceName);
    const namespaces = namespace === undefined ? more : [namespace, ...more];
    const body = { ...(namespaces.length > 0 ? { namespaces } : {}), ...rolling(given) };
    return send(given, `${environmentPath(environment)}/releases`, body);
  },
};

const rollback: Command = {
  name: 'config rollback',
  summary: 'brings back what was in force right after a release',
  operands: 'ENV RELEASE',
  operandCount: { from: 2, to: 2 },
  options: { ...REASON, ...ROLLING, ...REMOTE },
  about: `It makes a new release, so that numbers only rise and nothing is lost; a later
rollback undoes it.`,
  examples: [['tercet config rollback production 7 --reason "orders fail since"', 'as it was with 7']],
  run: async (given) => {
    const environment = environmentOf(given);
    const number = numberOf(given.operands[1] ?? '', 'number of a release');
    return send(given, `${environmentPath(environment)}/releases/${number}/rollback`, rolling(given));
  },
};

/** How it comes into force, as the wire wants it. @throws WrongUse */
function rolling(given: Given): object {
  const isGray = given.has('gray') || given.has('percent');
  const isStrict = given.has('strict');
  const deadline = given.text('deadline');
  if (isGray && isStrict) throw new WrongUse('--strict is for all of them, so --gray and --percent say nothing');
  if (!isStrict && (deadline !== undefined || given.has('evict')))
    throw new WrongUse('--deadline and --evict are of --strict');
  const strict = {
    ...(deadline === undefined ? {} : { deadlineMs: durationOf(deadline, 'deadline') }),
    onSilent: given.has('evict') ? 'evict' : 'abort',
  };
  return {
    reason: reasonOf(given),
    mode: isGray ? 'gray' : isStrict ? 'strict' : 'all',
    ...(isGray ? { gray: selectorOf(given) } : {}),
    ...(isStrict ? { strict } : {}),
    dryRun: given.has('dry-run'),
  };
}

/** @throws WrongUse */
function selectorOf(given: Given): Partial<Selector> {
  const pairs = given.texts('gray').map((text): [string, string] => {
    const [name, value, ...more] = text.split('=');
    if (!name || !value || more.length > 0)
      throw new WrongUse(`--gray is '${text}'; it must be LABEL=VALUE, such as zone=a`);
    return [name, value];
  });
  const percent = given.text('percent');
  if (percent !== undefined && !/^\d{1,3}(\.\d{1,2})?$/.test(percent)) {
    throw new WrongUse(`--percent is '${percent}'; it must be a number from 0.01 to 100`);
  }
  return {
    ...(pairs.length > 0 ? { labels: Object.fromEntries(pairs) } : {}),
    ...(percent === undefined ? {} : { percent: Number(percent) }),
  };
}

async function send(given: Given, path: string, body: object): Promise<Exit> {
  const api = new Api(given);
  const made = await api.post<ReleaseView>(path, 'changes', body, ANSWER_MS);
  const isDryRun = given.has('dry-run');
  const rollout = isDryRun || made.mode !== 'strict' ? made.rollout : await ended(api, made);
  if (given.has('json')) printJson({ ...made, rollout });
  else {
    show({ ...made, rollout }, isDryRun);
    if (made.mode === 'gray') note(await found(api, made.environment, selectorOf(given)));
  }
  return rollout?.state === 'aborted' || rollout?.state === 'preparing' ? EXIT.notNow : EXIT.done;
}

/** Whom of those that live a gray release is for. */
async function found(
  api: Api,
  environment: string,
  { labels = {}, percent = 100 }: Partial<Selector>,
): Promise<string> {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const query = { labels: pairs.length > 0 ? pairs.join(',') : undefined, percent: String(percent) };
  const path = `${environmentPath(environment)}/rollout/preview`;
  const { matches, of } = await api.get<{ matches: string[]; of: number }>(path, 'matches', query);
  const some = matches.length > 5 ? [...matches.slice(0, 5), '…'] : matches;
  return `it is for ${matches.length} of ${of} live instances${matches.length > 0 ? `: ${some.map(plain).join(', ')}` : ''}`;
}

/** Nodes may be given longer than one answer takes. */
async function ended(api: Api, { environment, release: number, rollout }: ReleaseView): Promise<RolloutView | null> {
  let seen = rollout;
  const until = Date.parse(rollout?.deadlineAt ?? '') + OVERDUE_MS;
  while (seen?.state === 'preparing' && seen.release === number && api.now < until) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    seen = await api.get<RolloutView>(`${environmentPath(environment)}/rollout`, 'state');
  }
  return seen;
}

function show(made: ReleaseView, isDryRun: boolean): void {
  const { environment, release: number, changes, rollout } = made;
  for (const line of namespaceLines(environment, changes)) print(line);
  if (isDryRun) return note('nothing was released; without --dry-run it is');
  const name = style(`release ${number}`, 'bold');
  if (!rollout) return print(`${name}  in force for all`);
  if (rollout.mode === 'gray') {
    print(`${name}  gray${rollout.selector ? `, for ${selectorText(rollout.selector)}` : ''}`);
    return note(
      `\`tercet config promote ${environment}\` puts it in force for all, \`tercet config abort ${environment}\` takes it back`,
    );
  }
  const isDone = rollout.state === 'done';
  print(`${name}  ${painted(isDone ? ['in force for all coordinators', 'green'] : [rollout.state, 'red'])}`);
  if (rollout.why !== null) print(`  ${plain(rollout.why)}`);
  for (const line of ackTable(rollout)) print(line);
}

function ackTable({ acks }: RolloutView): string[] {
  if (acks.length === 0) return [];
  const rows = acks.map(({ member, isReady, why }): Cell[] => {
    return [plain(member), isReady ? ['ready', 'green'] : ['not ready', 'red'], plain(why ?? '')];
  });
  return table([{ title: 'NODE' }, { title: 'SAID' }, { title: 'WHY' }], rows, '  ');
}

function decide(what: 'promote' | 'abort', told: string, about: Pick<Command, 'summary' | 'examples'>): Command {
  return {
    name: `config ${what}`,
    ...about,
    ...ENV,
    options: { ...REASON, ...REMOTE },
    run: (given) => order(given, what, { reason: reasonOf(given) }, () => told),
  };
}

const promote = decide('promote', 'in force for all', {
  summary: 'puts the gray release in force for all',
  examples: [['tercet config promote production --reason "a day without errors"', 'from now on for everybody']],
});
const abort = decide('abort', 'taken back', {
  summary: 'takes a gray release back, or a strict one that is prepared',
  examples: [['tercet config abort production --reason "orders fail"', 'all get what they had']],
});
const widen: Command = {
  name: 'config widen',
  summary: 'changes for whom a gray release is',
  ...ENV,
  options: { ...SELECTOR, ...REASON, ...REMOTE },
  about: 'Who had it keeps it when --percent grows.',
  examples: [['tercet config widen production --percent 50 --reason "no errors"', 'for half of them']],
  run: async (given) => {
    const selector = selectorOf(given);
    if (Object.keys(selector).length === 0) throw new WrongUse('--gray or --percent is needed: for whom it is then');
    const body = { ...selector, reason: reasonOf(given) };
    return order(given, 'widen', body, ({ selector: now }) => `gray${now ? `, for ${selectorText(now)}` : ''}`);
  },
};

async function order(given: Given, what: string, body: object, told: (rollout: RolloutView) => string): Promise<Exit> {
  const api = new Api(given);
  const path = `${environmentPath(environmentOf(given))}/rollout/${what}`;
  const rollout = await api.post<RolloutView>(path, 'state', body);
  if (given.has('json')) printJson(rollout);
  else print(`${style(`release ${rollout.release}`, 'bold')}  ${told(rollout)}`);
  return EXIT.done;
}

const rotate: Command = {
  name: 'config rotate',
  summary: 'seals the keys of all secrets with the first of TERCET_CONFIG_KEYS',
  options: { ...REASON, ...REMOTE },
  about: `Put a new one in front of the others, restart all coordinators, run this, then take
the old one out. Contents and checksums stay as they are.`,
  examples: [['tercet config rotate --reason "the key of last year"', 'the old one is not needed any more']],
  run: async (given) => {
    const body = { reason: reasonOf(given) };
    const answer = await new Api(given).post<{ wrapped: number }>('/v1/config-keys/rotate', 'wrapped', body);
    if (given.has('json')) printJson(answer);
    else print(`sealed anew: ${answer.wrapped}`);
    return EXIT.done;
  },
};

export const RELEASE_COMMANDS: readonly Command[] = [release, rollback, promote, abort, widen, rotate];
