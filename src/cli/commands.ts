/** Every command, in the order of the overview, and the texts of the help that are not of one command. */
import { section } from './command.js';
import type { Command } from './command.js';
import { COMPONENT_COMMANDS } from './components.js';
import { CONFIG_COMMANDS } from './config.js';
import { doctor } from './doctor.js';
import { idDecode } from './id.js';
import { keyNew } from './key.js';
import { LOCK_COMMANDS } from './locks.js';
import { OUTBOX_COMMANDS } from './outbox.js';
import { demo } from './scripts.js';
import { listTransactions } from './transaction-list.js';
import { ORDER_COMMANDS } from './transaction-orders.js';
import { showTransaction } from './transaction-show.js';
import { watchTransaction } from './transaction-watch.js';

const NAME_COLUMNS = 'component delete'.length;

const serve: Command = {
  name: 'serve',
  summary: 'starts a coordinator',
  about: `It prints where it listens, logs to standard error, and ends with a drain at
SIGTERM or SIGINT. \`tercet --help\` lists the settings, which come from the
environment.`,
  examples: [
    ['tercet serve', 'with a PostgreSQL of its own, in .tercet/'],
    ['DATABASE_URL=postgres://user:pw@host/db tercet serve', 'with yours'],
    ['TERCET_LISTEN=127.0.0.1:0 tercet serve', 'on a free port'],
  ],
  run: async () => (await import('./serve.js')).serve(),
};

const migrate: Command = {
  name: 'migrate',
  summary: 'brings the database of DATABASE_URL up to this version',
  about: 'With TERCET_MIGRATE=off for the nodes, this is the way to do it as another user.',
  examples: [['DATABASE_URL=postgres://owner:pw@host/db tercet migrate', 'and ends']],
  run: async () => (await import('./serve.js')).migrate(),
};

const bench: Command = {
  name: 'bench',
  summary: 'measures a coordinator on this machine, and the calls without it',
  options: {
    mode: { value: 'MODE', says: 'tcc, saga or message: tcc' },
    branches: { value: 'N', says: 'of each transaction: 2' },
    initiators: { value: 'N,…', says: 'how many at a time: 1,16,64,256,1024' },
    rounds: { value: 'N', says: 'how often each has its turn: 4' },
    seconds: { value: 'N', says: 'how long a turn is: 1' },
    rate: { value: 'N', says: 'transactions a second at fixed times; half: of what 64 reached' },
    'in-place': { says: 'in the database of DATABASE_URL itself, which has no schema `tercet`' },
    json: { value: 'FILE', says: 'all numbers of all rounds go there' },
    svg: { value: 'FILE', says: 'a chart goes there' },
  },
  about: `It makes a database of its own on the server of DATABASE_URL, without one an
embedded PostgreSQL, and drops it at the end. It ends with 1 if a transaction
was left unfinished. docs/benchmarks.md says what the columns mean.`,
  examples: [
    ['tercet bench', 'TCC with two branches, about two and a half minutes'],
    ['DATABASE_URL=postgres://user:pw@host/db tercet bench', 'on your PostgreSQL'],
    ['tercet bench --mode saga --branches 3 --initiators 64', 'sagas'],
    ['tercet bench --rate 500 --json bench.json --svg bench.svg', 'at your rate, kept for later'],
  ],
  run: async (given) => (await import('./bench.js')).runBenchCommand(given),
};

export const COMMANDS: readonly Command[] = [
  serve,
  migrate,
  demo,
  bench,
  doctor,
  listTransactions,
  showTransaction,
  watchTransaction,
  ...ORDER_COMMANDS,
  ...OUTBOX_COMMANDS,
  ...LOCK_COMMANDS,
  ...CONFIG_COMMANDS,
  ...COMPONENT_COMMANDS,
  idDecode,
  keyNew,
];

interface Group {
  readonly about: string;
  readonly examples: Command['examples'];
}

/** Commands of two words, by the first. */
const GROUPS: Readonly<Record<string, Group>> = {
  tx: {
    about: 'Transactions: look at them, and decide where a person has to',
    examples: [
      ['tercet tx list --parked', 'what waits for a person'],
      ['tercet tx show order-17', 'why it does, and what it did before'],
      ['tercet tx resume order-17 --reason "account is repaired"', 'it goes on'],
      ['tercet tx resume --component account --parked --reason "repaired" --dry-run', 'how many there are'],
    ],
  },
  outbox: {
    about: 'What waits for Kafka, and what Kafka refused for good',
    examples: [
      ['tercet outbox dead', 'what Kafka refused, and why'],
      ['tercet outbox requeue 4711 --reason "repaired"', 'it goes out'],
    ],
  },
  lock: {
    about: 'Locks: what one node does for all, and which node',
    examples: [
      ['tercet lock list', 'who has what'],
      ['tercet lock release tercet.retention --force --reason "n1 hangs"', 'the next node takes it'],
    ],
  },
  config: {
    about: 'The configuration center: drafts, releases, and who has taken them',
    examples: [
      ['tercet config set production/orders limits.max=5 --reason "more orders"', 'drafts it'],
      ['tercet config release production --reason "more orders"', 'puts all drafts in force'],
      ['tercet config nodes production', 'who has taken it'],
      ['tercet config rollback production 7 --reason "orders fail since"', 'as it was with 7'],
    ],
  },
  component: {
    about: 'Components: the services that take part',
    examples: [
      ['tercet component list', 'who is there, and how calls to them go'],
      ['tercet component show account', 'where it is called, its retries, its instances'],
    ],
  },
  id: {
    about: 'Ids, of whatever was made by Tercet',
    examples: [['tercet id decode 117440512000008192', 'when it was made, and by which worker']],
  },
  key: {
    about: 'Keys for TERCET_KEYS',
    examples: [['tercet key new --name ops --role operator', 'for who is on call']],
  },
};

export function overview(): string {
  const single = COMMANDS.filter(({ name }) => !name.includes(' '));
  const groups = Object.keys(GROUPS).map((group) => membersOf(group));
  const parts = [single, ...groups].map((commands) =>
    section(
      '',
      commands.map(({ name, summary }) => [name.padEnd(NAME_COLUMNS), summary]),
    ),
  );
  return `usage: tercet COMMAND [arguments]

${parts.join('\n')}
\`tercet help COMMAND\` shows one with examples; \`tercet --help\` adds settings and
exit codes.
`;
}

/** Null: there is no such group. */
export function groupHelp(name: string): string | null {
  const group = GROUPS[name];
  if (group === undefined) return null;
  const pairs = membersOf(name).map(
    ({ name: full, operands = '', summary }) => [`${full} ${operands}`.trim(), summary] as const,
  );
  return `usage: tercet ${name} COMMAND [arguments]

${group.about}.

${section('commands', pairs)}
${section('examples', group.examples)}
\`tercet help ${name} COMMAND\` says more of each.
`;
}

function membersOf(group: string): Command[] {
  return COMMANDS.filter(({ name }) => name.startsWith(`${group} `));
}

const SETTINGS = section('settings of `serve` and `migrate`, from the environment', [
  ['DATABASE_URL', 'PostgreSQL 15 or newer; unset: an embedded one'],
  ['TERCET_LISTEN', '127.0.0.1:8372'],
  ['TERCET_DATA_DIR', '.tercet, where the embedded one keeps its data'],
  ['TERCET_NODE', 'host name and random suffix'],
  ['TERCET_LEASE_MS', '5000'],
  ['TERCET_ALLOWED_TARGETS', '127.0.0.0/8,[::1]'],
  ['TERCET_MIGRATE', 'auto or off'],
  ['TERCET_KEYS', 'NAME:ROLES:SHA256HEX, …; unset: loopback only'],
  ['TERCET_VIEWER_SEES', 'all or no-payloads'],
  ['TERCET_LABELS', 'NAME=VALUE, …: by which gray releases find this node'],
  ['TERCET_CONFIG_KEYS', 'ID:BASE64, …; unset: the configuration takes no secrets'],
  ['TERCET_TLS_CERT', 'PEM file, with TERCET_TLS_KEY: it speaks HTTPS'],
  ['TERCET_TLS_KEY', 'PEM file'],
  ['TERCET_CALL_CA', 'PEM file: whom calls to https:// trust'],
  ['TERCET_CALL_CERT', 'PEM file, with TERCET_CALL_KEY: what such calls show'],
  ['TERCET_CALL_KEY', 'PEM file'],
  ['TERCET_CALL_THREAD', 'on or off: calls are made in a thread of their own'],
  ['TERCET_SIGNING_SECRET', 'signs calls; two between a comma while changing it'],
  ['TERCET_ALERT_URL', 'where alerts are posted to; unset: nobody is told'],
  ['TERCET_ALERT_AGE_MS', '300000'],
  ['TERCET_LOG', 'json or pretty'],
  ['TERCET_LOG_LEVEL', 'info, warn or error'],
  ['TERCET_MAX_UNFINISHED', '20000 transactions on a node'],
  ['TERCET_MAX_REQUESTS', '10000 at a time'],
  ['TERCET_DEAD_LETTERS', 'block or skip: what Kafka refuses for good'],
  ['TERCET_HALF_TOPIC', 'a topic to take half messages from'],
  ['TERCET_IDS', 'uuidv7, snowflake, segment, sequence, sequence:1/3 or redis'],
  ['TERCET_RETENTION_DAYS', '30, how long what has ended is kept'],
  ['TERCET_LOCKS', 'postgres or redis: where locks are kept'],
  ['REDIS_URL', 'redis://HOST:PORT; 3 or 5 between commas: Redlock'],
  ['KAFKA_BROKERS', 'HOST:PORT, …; unset: no message goes to a topic'],
  ['KAFKA_SSL', 'true or false'],
  ['KAFKA_SASL_MECHANISM', 'plain, scram-sha-256 or scram-sha-512'],
  ['KAFKA_SASL_USERNAME', 'with KAFKA_SASL_PASSWORD'],
  ['KAFKA_SASL_PASSWORD', 'never shown'],
  ['OTEL_…', 'those of OpenTelemetry: traces'],
]);

const REMOTE_SETTINGS = section('settings of all other commands', [
  ['TERCET_URL', 'http://127.0.0.1:8372, where the coordinator is'],
  ['TERCET_KEY', 'the key to show it'],
]);

const EXITS = section('exit codes', [
  ['0', 'done; `tx watch`: committed'],
  ['1', 'failure at work: not reachable, not ready, a defect; `doctor` found something wrong'],
  ['2', 'wrong use, a wrong setting, or a request that is not valid'],
  ['3', 'there is no such transaction, branch, component, dead letter, lock or configuration'],
  ['4', 'its state does not allow it'],
  ['5', 'no key, an unknown one, or one that may not do this'],
  ['6 7 8', '`tx watch`: aborted, parked, neither within --for'],
]);

export function fullHelp(): string {
  return `${overview()}
${SETTINGS}
${REMOTE_SETTINGS}
docs/wire.md, section 1, says more of each. --version prints the version.

${EXITS}`;
}
