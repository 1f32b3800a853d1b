/** `tercet config set|schema|draft|discard|diff`: what is to be released next. */
import type {
  ConfigContent,
  ConfigDiffView,
  ConfigRule,
  DraftView,
  EditLockView,
  NamespaceView,
} from '../protocol/config.js';
import { Api, REMOTE } from './api.js';
import type { Command, Given } from './command.js';
import { changeLines, namespaceLines, problemLines } from './config-changes.js';
import { assignmentOf, jsonFile, secretFromInput, without, withValue } from './config-content.js';
import { environmentPath, numberOf, PLACE, placeOf, placeOrEnvironment, placePath } from './config-place.js';
import type { Place } from './config-place.js';
import { EXIT, Failure, WrongUse } from './exit.js';
import { age } from './moments.js';
import { REASON, reasonOf } from './ordering.js';
import { note, plain, print, printJson, style } from './terminal.js';
import { count } from './transaction-words.js';

/** Longer than it takes to read, change and write; should this process die, others wait no longer. */
const LOCK_MS = 30_000;

const set: Command = {
  name: 'config set',
  summary: 'writes values into the draft of a namespace',
  operands: 'ENV/NAMESPACE [PATH=VALUE…]',
  operandCount: { from: 1, to: Infinity },
  options: {
    unset: { value: 'PATH', says: 'takes this out; several times', isRepeatable: true },
    secret: { value: 'PATH', says: 'a secret, read from standard input' },
    file: { value: 'FILE', says: 'the whole content, as JSON; -: from standard input' },
    ...REASON,
    ...REMOTE,
  },
  about: `It begins from the draft, or from what is in force, and holds the edit lock
meanwhile. VALUE is JSON if it can be read as such, else text. PATH is like
limits.max, or like /limits/max where names have dots; - is the end of a list.
Nothing is in force until it is released.`,
  examples: [
    ['tercet config set production/orders limits.max=5 --reason "more"', 'a number'],
    ['tercet config set production/orders zones.-=c --unset a.b --reason "moved"', 'two'],
    ['tercet config set production/orders --secret db.pw --reason "new" < file', 'a secret'],
    ['tercet config set production/orders --file orders.json --reason "anew"', 'all'],
  ],
  run: async (given) => {
    const place = placeOf(given);
    const reason = reasonOf(given);
    const change = changeOf(given);
    const api = new Api(given);
    const path = placePath(place);
    const lock = await api.post<EditLockView>(`${path}/lock`, 'token', { ttlMs: LOCK_MS });
    const { id, token } = lock;
    try {
      const view = await api.get<NamespaceView>(path, 'namespace');
      if (!given.has('file')) refuseOld(view);
      const content = change(view.draft?.content ?? view.content ?? {});
      const seen = view.draft ? { revision: view.draft.revision } : {};
      const body = { base: view.release, ...seen, content, reason, lock: { id, token } };
      const draft = await api.put<DraftView>(`${path}/draft`, 'revision', body);
      await showDraft(api, place, draft, given);
    } finally {
      // It ends by itself where this fails.
      await api.delete(`${path}/lock`, { id, token: String(token) }).catch(() => undefined);
    }
    return EXIT.done;
  },
};

/** What is to be done to the content, checked before anybody is asked. */
function changeOf(given: Given): (content: ConfigContent) => ConfigContent {
  const assignments = given.operands.slice(1).map(assignmentOf);
  const [unset, secret, file] = [given.texts('unset'), given.text('secret'), given.text('file')];
  if (assignments.length + unset.length === 0 && secret === undefined && file === undefined) {
    throw new WrongUse('it needs PATH=VALUE, --unset, --secret or --file: what to write');
  }
  if (secret !== undefined && file === '-') throw new WrongUse('--secret and --file - both read standard input');
  const whole = file === undefined ? undefined : contentOf(file);
  const clear = secret === undefined ? '' : secretFromInput(secret);
  return (content) => {
    let next = whole ?? content;
    for (const path of unset) next = without(next, path);
    for (const { path, value } of assignments) next = withValue(next, path, value);
    return secret === undefined ? next : withValue(next, secret, { $secret: clear });
  };
}

function contentOf(file: string): ConfigContent {
  const value = jsonFile(file);
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value;
  throw new WrongUse(`${file} must hold an object: a content has names at its top`);
}

/** What was released since its draft was begun would be undone by it. */
function refuseOld({ environment, namespace, release, draft }: NamespaceView): void {
  if (!draft || draft.base === release) return;
  const name = `${environment}/${namespace}`;
  throw new Failure(
    `the draft of ${name} by ${plain(draft.by)} is of release ${draft.base ?? 'none'}, and ${release ?? 'none'} is in force since`,
    EXIT.notNow,
    `\`tercet config diff ${name}\` says what it would undo; \`tercet config discard ${name}\` drops it`,
  );
}

const schema: Command = {
  name: 'config schema',
  summary: 'makes a namespace, and says what may stand in it',
  ...PLACE,
  options: {
    file: { value: 'FILE', says: 'a JSON Schema; -: from standard input' },
    rules: { value: 'FILE', says: 'a list of rules between values, as JSON' },
    about: { value: 'TEXT', says: 'what it is for' },
    drop: { says: 'without a schema from now on' },
    ...REMOTE,
  },
  about: `Without options it prints the schema and the rules. A rule is like
{"path": "/limits/min", "is": "<", "than": "/limits/max"}; what is drafted or in
force and does not fit is told, and stays.`,
  examples: [
    ['tercet config schema production/orders --about "the order service"', 'makes it'],
    ['tercet config schema production/orders --file orders.schema.json', 'what it may hold'],
    ['tercet config schema production/orders', 'shows it'],
  ],
  run: async (given) => {
    const place = placeOf(given);
    const [file, rules, about] = [given.text('file'), given.text('rules'), given.text('about')];
    if (file !== undefined && given.has('drop')) throw new WrongUse('--file and --drop are two different things');
    const body = {
      ...(about === undefined ? {} : { about }),
      ...(file === undefined ? {} : { schema: jsonFile(file) }),
      ...(given.has('drop') ? { schema: null } : {}),
      ...(rules === undefined ? {} : { rules: jsonFile(rules) }),
    };
    const api = new Api(given);
    if (Object.keys(body).length > 0) {
      const view = await api.put<NamespaceView>(placePath(place), 'namespace', body);
      if (given.has('json')) printJson(view);
      else tellPut(view);
      return EXIT.done;
    }
    const view = await api.get<NamespaceView>(placePath(place), 'namespace');
    if (given.has('json')) printJson({ schema: view.schema, rules: view.rules });
    else showSchema(view);
    return EXIT.done;
  },
};

function tellPut({ environment, namespace, schema: put, rules, draft }: NamespaceView): void {
  const what = [put === null ? 'no schema' : 'a schema', count(rules.length, 'rule')].join(', ');
  print(`${style(`${environment}/${namespace}`, 'bold')}  ${what}`);
  tellProblems(draft);
}

function showSchema({ schema: put, rules }: NamespaceView): void {
  if (put === null) note('it has no schema: any object fits');
  else for (const line of JSON.stringify(put, null, 2).split('\n')) print(plainly(line));
  for (const rule of rules) print(ruleText(rule));
}

function ruleText({ path, is, than, times, message }: ConfigRule): string {
  const other = times === undefined ? plain(than) : `${times} × ${plain(than)}`;
  return `${plain(path)} ${is} ${other}${message === undefined ? '' : `  (${plain(message)})`}`;
}

const plainly = (line: string): string => line.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '·');

const draft: Command = {
  name: 'config draft',
  summary: 'the draft of a namespace: whose, why, what it changes',
  ...PLACE,
  options: REMOTE,
  examples: [['tercet config draft production/orders', 'and what keeps it from being released']],
  run: async (given) => {
    const place = placeOf(given);
    const api = new Api(given);
    const view = await api.get<NamespaceView>(placePath(place), 'namespace');
    const name = `${place.environment}/${place.namespace}`;
    if (!view.draft) throw new Failure(`there is no draft of ${name}`, EXIT.notThere);
    const { by, at, reason } = view.draft;
    await showDraft(api, place, view.draft, given);
    if (given.has('json')) return EXIT.done;
    note(`written ${age(api.now - Date.parse(at))} ago by ${plain(by)}: ${plain(reason)}`);
    if (view.editor) note(`${plain(view.editor.name)} edits it`);
    return EXIT.done;
  },
};

const discard: Command = {
  name: 'config discard',
  summary: 'drops the draft of a namespace',
  ...PLACE,
  options: { ...REASON, url: REMOTE['url'] ?? { says: '' }, key: REMOTE['key'] ?? { says: '' } },
  about: 'What is in force stays. The audit has who dropped it and why.',
  examples: [['tercet config discard production/orders --reason "not now"', 'it is gone']],
  run: async (given) => {
    const place = placeOf(given);
    const reason = reasonOf(given);
    const api = new Api(given);
    const { draft: there } = await api.get<NamespaceView>(placePath(place), 'namespace');
    const name = `${place.environment}/${place.namespace}`;
    if (!there) throw new Failure(`there is no draft of ${name}`, EXIT.notThere);
    await api.delete(`${placePath(place)}/draft`, { reason, revision: String(there.revision) });
    print(`${style(name, 'bold')}  draft ${there.revision} dropped`);
    return EXIT.done;
  },
};

const diff: Command = {
  name: 'config diff',
  summary: 'what differs between two releases, a draft, and what is in force',
  operands: 'ENV[/NAMESPACE] [FROM] [TO]',
  operandCount: { from: 1, to: 3 },
  options: REMOTE,
  about: `FROM and TO are numbers of releases, \`draft\`, or \`current\`: what is in force. They
are current and draft where they are left out.`,
  examples: [
    ['tercet config diff production', 'what the drafts would change'],
    ['tercet config diff production/orders 7 current', 'what changed since release 7'],
  ],
  run: async (given) => {
    const { environment, namespace } = placeOrEnvironment(given);
    const [, from = 'current', to = 'draft'] = given.operands;
    for (const side of [from, to]) if (side !== 'draft' && side !== 'current') numberOf(side, 'number of a release');
    const api = new Api(given);
    const answer = await api.get<ConfigDiffView>(`${environmentPath(environment)}/diff`, 'namespaces', {
      from,
      to,
      namespace,
    });
    if (given.has('json')) printJson(answer);
    else if (Object.keys(answer.namespaces).length === 0) note('nothing differs');
    else for (const line of namespaceLines(environment, answer.namespaces)) print(line);
    return EXIT.done;
  },
};

export const DRAFT_COMMANDS: readonly Command[] = [set, schema, draft, discard, diff];

async function showDraft(api: Api, { environment, namespace }: Place, view: DraftView, given: Given): Promise<void> {
  if (given.has('json')) return printJson(view);
  const query = { from: 'current', to: 'draft', namespace };
  const { namespaces } = await api.get<ConfigDiffView>(`${environmentPath(environment)}/diff`, 'namespaces', query);
  const against = view.base === null ? 'nothing is in force' : `against release ${view.base}`;
  print(`${style(`${environment}/${namespace}`, 'bold')}  draft ${view.revision}, ${against}`);
  const changes = namespaces[namespace] ?? [];
  for (const line of changes.length === 0 ? ['  nothing differs'] : changeLines(changes)) print(line);
  tellProblems(view);
}

function tellProblems(view: DraftView | null): void {
  if (!view || view.problems.length === 0) return;
  note('it cannot be released as it is:');
  for (const line of problemLines(view.problems)) note(line);
}
