/** `tercet outbox`, `outbox dead|requeue|drop`: what waits for Kafka, and what a person decides of what it refused. */
import type { DeadLetterView, OutboxView, RelayView } from '../protocol/outbox.js';
import { Api, REMOTE } from './api.js';
import type { Command, Option } from './command.js';
import { EXIT, WrongUse } from './exit.js';
import { age, span } from './moments.js';
import { each, REASON, reasonOf } from './ordering.js';
import { facts, table } from './table.js';
import type { Fact } from './table.js';
import { note, plain, print, printJson, style } from './terminal.js';
import { count } from './transaction-words.js';

interface Page {
  readonly messages: readonly DeadLetterView[];
  readonly next: string | null;
}

const outbox: Command = {
  name: 'outbox',
  summary: 'what waits for Kafka, who sends it, and what keeps it',
  options: REMOTE,
  about:
    'Counts are of the whole outbox; what was sent and what is refused is of the node that answers, since it was started.',
  examples: [
    ['tercet outbox', 'for a person'],
    ['tercet outbox --json | jq .rows', 'how many wait, for a script'],
  ],
  run: async (given) => {
    const api = new Api(given);
    const view = await api.get<OutboxView>('/v1/outbox', 'rows');
    if (given.has('json')) printJson(view);
    else show(view, api.now);
    return EXIT.done;
  },
};

const dead: Command = {
  name: 'outbox dead',
  summary: 'messages that Kafka refused for good, the oldest first',
  options: {
    limit: { value: 'N', says: 'at most so many: 50, at most 500' },
    after: { value: 'ID', says: 'those after this one' },
    ...REMOTE,
  },
  examples: [['tercet outbox dead', 'each with what Kafka said']],
  run: async (given) => {
    const api = new Api(given);
    const page = await api.get<Page>('/v1/outbox/dead', 'messages', {
      limit: given.text('limit'),
      after: given.text('after'),
    });
    if (given.has('json')) printJson(page);
    else if (page.messages.length === 0) note('no message is dead');
    else for (const line of deadTable(page.messages, api.now)) print(line);
    if (!given.has('json') && page.next !== null) note(`there are more: --after ${page.next} shows them`);
    return EXIT.done;
  },
};

const IDS: Pick<Command, 'operands' | 'operandCount'> = {
  operands: 'ID [ID…]',
  operandCount: { from: 1, to: Infinity },
};
const AT: Readonly<Record<string, Option>> = {
  at: { value: 'PLACE', says: 'end: after all that waits now, the default; place: before what was written after it' },
};

const requeue: Command = {
  name: 'outbox requeue',
  summary: 'sends dead letters again, once what was wrong is repaired',
  ...IDS,
  options: { ...REASON, ...AT, ...REMOTE },
  about: `Later messages of its key may have gone out meanwhile: \`--at place\` puts it before
those that still wait, no more. Consumers with an inbox take a repeat for what it is.`,
  examples: [['tercet outbox requeue 4711 --reason "the topic takes larger messages now"', 'it goes out']],
  run: async (given) => {
    const at = given.text('at') ?? 'end';
    if (at !== 'end' && at !== 'place') throw new WrongUse(`--at is '${at}'; it must be end or place`);
    const body = { reason: reasonOf(given), at };
    return each(
      given,
      given.operands,
      (api, id) => api.post<DeadLetterView>(`${pathOf(id)}/requeue`, 'id', body),
      told,
    );
  },
};

const drop: Command = {
  name: 'outbox drop',
  summary: 'drops dead letters for ever',
  ...IDS,
  options: { ...REASON, url: REMOTE['url'] ?? { says: '' }, key: REMOTE['key'] ?? { says: '' } },
  about:
    'Whoever should have got them never will: settle that by hand first. The log of the node has who dropped them and why.',
  examples: [['tercet outbox drop 4711 --reason "sent by hand, ticket 12"', 'it is gone']],
  run: async (given) => {
    const query = new URLSearchParams({ reason: reasonOf(given) }).toString();
    const send = (api: Api, id: string): Promise<string> => api.delete(`${pathOf(id)}?${query}`).then(() => id);
    return each(given, given.operands, send, (id) => `${style(id, 'bold')}  dropped`);
  },
};

export const OUTBOX_COMMANDS: readonly Command[] = [outbox, dead, requeue, drop];

function pathOf(id: string): string {
  return `/v1/outbox/dead/${encodeURIComponent(id)}`;
}

function told({ id, topic, messageId }: DeadLetterView): string {
  return `${style(id, 'bold')}  back on its way to ${topic}: ${plain(messageId)}`;
}

function show(view: OutboxView, now: number): void {
  const { rows, oldestAt, dead: refused, topics, relays, unownedBuckets, here } = view;
  const alive = relays.filter(({ isAlive }) => isAlive).length;
  const lines: Fact[] = [
    [
      'waiting',
      rows === 0 ? 'nothing' : `${count(rows, 'message')}, the oldest for ${span(now - Date.parse(oldestAt ?? ''))}`,
    ],
    [
      'senders',
      alive === 0 ? 'none: no node has KAFKA_BROKERS' : count(alive, 'node'),
      ...(alive === 0 && rows > 0 ? RED : []),
    ],
  ];
  if (unownedBuckets > 0 && alive > 0)
    lines.push(['unsent', `${unownedBuckets} of 64 parts are nobody's at present`, 'yellow']);
  if (refused > 0) lines.push(['dead', `${count(refused, 'message')}: tercet outbox dead`, 'red']);
  lines.push(...(here ? aboutHere(here, now) : []));
  for (const line of facts(lines)) print(line);
  for (const line of rows === 0 ? [] : ['', ...topicTable(topics, now)]) print(line);
  for (const line of here && here.blockedCount > 0 ? ['', ...blockedTable(here, now)] : []) print(line);
}

const RED = ['red'] as const;

function aboutHere({ buckets, sent, batches, failures, broker, database }: RelayView, now: number): Fact[] {
  const trouble = (name: string, what: RelayView['broker']): Fact[] => {
    return what ? [[name, `since ${span(now - Date.parse(what.since))}: ${plain(what.why)}`, 'red']] : [];
  };
  const counts = `${sent} messages sent in ${batches} batches, ${failures} failed; ${buckets} of 64 parts are its own`;
  return [['this node', counts], ...trouble('broker', broker), ...trouble('database', database)];
}

function topicTable(topics: OutboxView['topics'], now: number): string[] {
  const columns = [
    { title: 'TOPIC' },
    { title: 'WAITING', isNumber: true },
    { title: 'OLDEST', isNumber: true },
  ] as const;
  return table(
    columns,
    topics.map(({ topic, rows, oldestAt }) => [topic, String(rows), age(now - Date.parse(oldestAt))]),
  );
}

function blockedTable({ blocked }: RelayView, now: number): string[] {
  const columns = [{ title: 'REFUSED' }, { title: 'KEY' }, { title: 'FOR', isNumber: true }, { title: 'WHY' }] as const;
  return table(
    columns,
    blocked.map(({ topic, key, id, why, since }) => {
      const what = key === null ? (id === null ? 'all of it' : `message ${id}`) : plain(key);
      return [topic, what, age(now - Date.parse(since)), [plain(why), 'red']];
    }),
  );
}

function deadTable(messages: readonly DeadLetterView[], now: number): string[] {
  const columns = [
    { title: 'ID' },
    { title: 'MESSAGE' },
    { title: 'TOPIC' },
    { title: 'AGE', isNumber: true },
    { title: 'WHY' },
  ] as const;
  return table(
    columns,
    messages.map(({ id, messageId, topic, failedAt, error }) => {
      return [id, plain(messageId), topic, age(now - Date.parse(failedAt)), [plain(error), 'red']];
    }),
  );
}
