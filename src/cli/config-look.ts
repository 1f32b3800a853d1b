/** `tercet config list|get|history|show|audit`: what is configured, and how it came to be so. */
import type {
  ConfigAuditView,
  ConfigContent,
  ConfigEnvironmentView,
  NamespaceSummary,
  NamespaceView,
  ReleaseSummary,
  ReleaseView,
  RolloutView,
} from '../protocol/config.js';
import type { Json } from '../protocol/words.js';
import { Api, REMOTE } from './api.js';
import type { Command, Given, Option } from './command.js';
import { namespaceLines } from './config-changes.js';
import { valueAt } from './config-content.js';
import { ENV, environmentOf, environmentPath, numberOf, placeOf, placePath } from './config-place.js';
import type { Place } from './config-place.js';
import { rolloutText, stateCell } from './config-words.js';
import { EXIT, Failure, WrongUse } from './exit.js';
import type { Exit } from './exit.js';
import { age, clock } from './moments.js';
import { facts, table } from './table.js';
import type { Cell } from './table.js';
import { note, plain, print, printJson } from './terminal.js';

const PAGE: Readonly<Record<string, Option>> = {
  limit: { value: 'N', says: 'at most so many: 50, at most 500' },
  before: { value: 'N', says: 'those before this one' },
};

const list: Command = {
  name: 'config list',
  summary: 'the environments, or the namespaces of one',
  operands: '[ENV]',
  operandCount: { from: 0, to: 1 },
  options: REMOTE,
  examples: [
    ['tercet config list', 'the environments, and what is rolled out'],
    ['tercet config list production', 'what is in force, and what is drafted'],
  ],
  run: async (given) => {
    const api = new Api(given);
    if (given.operands.length === 0) return listEnvironments(api, given);
    const path = `${environmentPath(environmentOf(given))}/namespaces`;
    const answer = await api.get<{ namespaces: NamespaceSummary[] }>(path, 'namespaces');
    if (given.has('json')) printJson(answer);
    else if (answer.namespaces.length === 0) note('it has no namespace');
    else for (const line of namespaceTable(answer.namespaces)) print(line);
    return EXIT.done;
  },
};

async function listEnvironments(api: Api, given: Given): Promise<Exit> {
  const answer = await api.get<{ environments: ConfigEnvironmentView[] }>('/v1/config', 'environments');
  if (given.has('json')) printJson(answer);
  else for (const line of environmentTable(answer.environments)) print(line);
  return EXIT.done;
}

const get: Command = {
  name: 'config get',
  summary: 'what is in force, or one value of it',
  operands: 'ENV/NAMESPACE [PATH]',
  operandCount: { from: 1, to: 2 },
  options: {
    release: { value: 'N', says: 'as this release has it' },
    draft: { says: 'as it is drafted' },
    ...REMOTE,
  },
  about: `PATH is like limits.max, or like /limits/max where names have dots. Secrets are
masked. With PATH, --json prints that value; without, all that the coordinator
answered.`,
  examples: [
    ['tercet config get production/orders', 'all of it'],
    ['tercet config get production/orders limits.max', 'one value'],
    ['tercet config get production/orders --release 7', 'as it was then'],
  ],
  run: async (given) => {
    const place = placeOf(given);
    const { answer, content } = await contentOf(new Api(given), place, given);
    const [, path] = given.operands;
    if (path === undefined && given.has('json')) printJson(answer);
    else showValue(content, path, given.has('json'), place);
    return EXIT.done;
  },
};

async function contentOf(
  api: Api,
  place: Place,
  given: Given,
): Promise<{ answer: NamespaceView | ReleaseView; content: ConfigContent }> {
  const number = given.text('release');
  if (number !== undefined && given.has('draft')) throw new WrongUse('--release and --draft are two different things');
  const name = `${place.environment}/${place.namespace}`;
  if (number !== undefined) {
    const path = `${environmentPath(place.environment)}/releases/${numberOf(number, 'number of a release')}`;
    const answer = await api.get<ReleaseView>(path, 'contents');
    const there = Object.hasOwn(answer.contents, place.namespace) ? answer.contents[place.namespace] : undefined;
    if (there) return { answer, content: there.content };
    throw new Failure(
      `release ${number} does not hold ${name}`,
      EXIT.notThere,
      `it holds ${answer.namespaces.join(', ')}`,
    );
  }
  const answer = await api.get<NamespaceView>(placePath(place), 'namespace');
  const content = given.has('draft') ? answer.draft?.content : answer.content;
  if (content) return { answer, content };
  if (given.has('draft')) throw new Failure(`there is no draft of ${name}`, EXIT.notThere);
  throw new Failure(
    `nothing of ${name} is in force`,
    EXIT.notThere,
    answer.hasDraft ? '--draft shows its draft' : null,
  );
}

function showValue(content: ConfigContent, path: string | undefined, asJson: boolean, place: Place): void {
  const value: Json | undefined = path === undefined ? content : valueAt(content, path);
  if (value === undefined) {
    throw new Failure(`there is nothing at '${path ?? ''}' in ${place.environment}/${place.namespace}`, EXIT.notThere);
  }
  if (asJson) printJson(value);
  else if (typeof value === 'string') print(plain(value));
  else
    for (const line of JSON.stringify(value, null, 2).split('\n')) print(line.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '·'));
}

const history: Command = {
  name: 'config history',
  summary: 'the releases of an environment, the newest first',
  ...ENV,
  options: { ...PAGE, ...REMOTE },
  examples: [['tercet config history production', 'which one is in force, and why it was made']],
  run: async (given) => {
    const api = new Api(given);
    const path = `${environmentPath(environmentOf(given))}/releases`;
    const query = { limit: given.text('limit'), before: given.text('before') };
    const page = await api.get<{ releases: ReleaseSummary[]; next: number | null }>(path, 'releases', query);
    if (given.has('json')) printJson(page);
    else if (page.releases.length === 0) note('nothing was released');
    else for (const line of releaseTable(page.releases, api.now)) print(line);
    if (!given.has('json') && page.next !== null) note(`there are more: --before ${page.next} shows them`);
    return EXIT.done;
  },
};

const show: Command = {
  name: 'config show',
  summary: 'one release: who made it and why, and what it changed',
  operands: 'ENV RELEASE',
  operandCount: { from: 2, to: 2 },
  options: REMOTE,
  examples: [['tercet config show production 8', 'against what was in force before it']],
  run: async (given) => {
    const environment = environmentOf(given);
    const number = numberOf(given.operands[1] ?? '', 'number of a release');
    const api = new Api(given);
    const release = await api.get<ReleaseView>(`${environmentPath(environment)}/releases/${number}`, 'contents');
    if (given.has('json')) printJson(release);
    else for (const line of releaseLines(release, api.now)) print(line);
    return EXIT.done;
  },
};

const audit: Command = {
  name: 'config audit',
  summary: 'who changed what and why, the newest first',
  ...ENV,
  options: { ...PAGE, ...REMOTE },
  about: 'Nothing can change it or take it away. --json has what each changed.',
  examples: [['tercet config audit production', 'drafts, releases and rollouts']],
  run: async (given) => {
    const api = new Api(given);
    const path = `${environmentPath(environmentOf(given))}/audit`;
    const query = { limit: given.text('limit'), before: given.text('before') };
    const page = await api.get<{ entries: ConfigAuditView[]; next: number | null }>(path, 'entries', query);
    if (given.has('json')) printJson(page);
    else if (page.entries.length === 0) note('nobody has changed anything');
    else for (const line of auditTable(page.entries)) print(line);
    if (!given.has('json') && page.next !== null) note(`there are more: --before ${page.next} shows them`);
    return EXIT.done;
  },
};

export const LOOK_COMMANDS: readonly Command[] = [list, get, history, show, audit];

function environmentTable(environments: readonly ConfigEnvironmentView[]): string[] {
  const columns = [
    { title: 'ENVIRONMENT' },
    { title: 'NAMESPACES', isNumber: true },
    { title: 'RELEASES', isNumber: true },
    { title: 'ROLLOUT' },
  ] as const;
  const rows = environments.map(({ environment, namespaces, lastRelease, rollout }): Cell[] => {
    return [environment, String(namespaces), String(lastRelease), rollout ? [rolloutText(rollout), 'yellow'] : '-'];
  });
  return table(columns, rows);
}

function namespaceTable(namespaces: readonly NamespaceSummary[]): string[] {
  const columns = [
    { title: 'NAMESPACE' },
    { title: 'RELEASE', isNumber: true },
    { title: 'DRAFT' },
    { title: 'ABOUT' },
  ] as const;
  const rows = namespaces.map(({ namespace, release, hasDraft, about }): Cell[] => {
    return [namespace, String(release ?? '-'), hasDraft ? ['yes', 'yellow'] : '-', plain(about)];
  });
  return table(columns, rows);
}

function releaseTable(releases: readonly ReleaseSummary[], now: number): string[] {
  const columns = [
    { title: 'RELEASE', isNumber: true },
    { title: 'STATE' },
    { title: 'MODE' },
    { title: 'AGE', isNumber: true },
    { title: 'BY' },
    { title: 'NAMESPACES' },
    { title: 'WHY' },
  ] as const;
  const rows = releases.map(({ release, state, mode, at, by, namespaces, restores, reason }): Cell[] => {
    const [first = '', ...more] = namespaces;
    const names = more.length === 0 ? first : `${first}, +${more.length}`;
    const why = restores === null ? reason : `back to ${restores}: ${reason}`;
    return [String(release), stateCell(state), mode, age(now - Date.parse(at)), plain(by), names, plain(why)];
  });
  return table(columns, rows);
}

function releaseLines(release: ReleaseView, now: number): string[] {
  const { environment, release: number, mode, state, restores, by, at, reason, checksum, changes, rollout } = release;
  const lines = facts([
    ['release', `${number} of ${environment}, ${mode === 'all' ? 'for all' : mode}, ${state}`],
    ['made', `${clock(at)}, ${age(now - Date.parse(at))} ago, by ${plain(by)}: ${plain(reason)}`],
    ...(restores === null ? [] : [['restores', `what was in force after release ${restores}`] as const]),
    ...(rollout ? [['rollout', rolloutFact(rollout)] as const] : []),
    ['checksum', checksum],
  ]);
  return [...lines, '', ...namespaceLines(environment, changes)];
}

function rolloutFact(rollout: RolloutView): string {
  return `${rolloutText(rollout)}${rollout.why === null ? '' : `: ${plain(rollout.why)}`}`;
}

function auditTable(entries: readonly ConfigAuditView[]): string[] {
  const columns = [{ title: 'AT' }, { title: 'BY' }, { title: 'WHAT' }, { title: 'OF' }, { title: 'WHY' }] as const;
  const rows = entries.map(({ at, by, action, namespace, release, reason }): Cell[] => {
    const of = [namespace, release === null ? null : `release ${release}`].filter((part) => part !== null).join(' ');
    return [clock(at), plain(by), plain(action), of === '' ? '-' : of, plain(reason ?? '')];
  });
  return table(columns, rows);
}
