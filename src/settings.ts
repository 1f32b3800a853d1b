/** The process environment, read once, checked whole: what is unknown or malformed stops the start and is named. */
import { randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { hostname } from 'node:os';
import type { SecureContextOptions } from 'node:tls';
import { parseMasterKeys } from './config-center/master-keys.js';
import type { MasterKeys } from './config-center/master-keys.js';
import { gidSetting } from './gids.js';
import type { GidSetting } from './gids.js';
import { parseKeys } from './http/keys.js';
import type { KeyEntry } from './http/keys.js';
import { kafkaSettings } from './messaging/kafka-settings.js';
import type { KafkaSettings } from './messaging/kafka-settings.js';
import { labels } from './labels.js';
import { AllowList } from './participants/allow-list.js';
import { SigningSecrets } from './protocol/signature.js';
import { IDENTIFIER, TOPIC } from './protocol/words.js';
import { ALERT_AGE_MS, LOG_LEVELS, MAX_REQUESTS, MAX_UNFINISHED, POLICIES, RETENTION_DAYS } from './steering/bounds.js';
import type { Bounds } from './steering/bounds.js';
import { callTls, serverCertificate } from './tls.js';
import type { Certificate } from './tls.js';

export interface Settings {
  /** Null: embedded PostgreSQL in `dataDir`. */
  readonly databaseUrl: string | null;
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly node: string;
  /** By which gray releases of the configuration find this node. */
  readonly labels: Readonly<Record<string, string>>;
  readonly leaseMs: number;
  readonly allowList: AllowList;
  readonly migrate: 'auto' | 'off';
  /** Empty: everybody who reaches it may do everything. */
  readonly keys: readonly KeyEntry[];
  readonly viewerSees: 'all' | 'no-payloads';
  /** What seals the secrets of the configuration; null: secrets are refused. */
  readonly configKeys: MasterKeys | null;
  /** Null: it speaks plain HTTP. */
  readonly tls: Certificate | null;
  /** For calls to `https://`; null: what Node does. */
  readonly callTls: SecureContextOptions | null;
  /** Whether calls are made in a thread of their own. */
  readonly callThread: boolean;
  /** Null: calls are not signed. */
  readonly signing: SigningSecrets | null;
  /** Null: nobody is told. */
  readonly alertUrl: URL | null;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly alertAgeMs: number;
  /** Transactions under way on this node, above which begins are refused. */
  readonly maxUnfinished: number;
  /** Requests in flight on this node, above which others are refused. */
  readonly maxRequests: number;
  /** How long a transaction is kept after its end. */
  readonly retentionDays: number;
  /** What makes the gids of transactions that are begun without one. */
  readonly ids: GidSetting;
  /** Null: no message goes to a topic. */
  readonly kafka: KafkaSettings | null;
  /** What becomes of a message that the broker refuses for good: its key waits for a person, or it is put aside. */
  readonly deadLetters: 'block' | 'skip';
  /** Where producers send half messages through Kafka; null: over HTTP alone. */
  readonly halfTopic: string | null;
  /** Empty: there is no Redis. */
  readonly redisUrls: readonly string[];
  /** Where the locks of this service are kept; their tokens always come from the database. */
  readonly locks: 'postgres' | 'redis';
  /** Whether spans are exported; the standard OTEL_… variables say where. */
  readonly traces: boolean;
}

/** Wrong use or a wrong setting: exit code 2. */
export class SettingError extends Error {
  override readonly name = 'SettingError';
}

/** Every setting; docs/wire.md, section 1. */
export const KNOWN: ReadonlySet<string> = new Set([
  'TERCET_LISTEN',
  'TERCET_DATA_DIR',
  'TERCET_NODE',
  'TERCET_LABELS',
  'TERCET_LEASE_MS',
  'TERCET_ALLOWED_TARGETS',
  'TERCET_MIGRATE',
  'TERCET_RETENTION_DAYS',
  'TERCET_KEYS',
  'TERCET_VIEWER_SEES',
  'TERCET_CONFIG_KEYS',
  'TERCET_TLS_CERT',
  'TERCET_TLS_KEY',
  'TERCET_CALL_CA',
  'TERCET_CALL_CERT',
  'TERCET_CALL_KEY',
  'TERCET_CALL_THREAD',
  'TERCET_SIGNING_SECRET',
  'TERCET_ALERT_URL',
  'TERCET_ALERT_AGE_MS',
  'TERCET_LOG',
  'TERCET_LOG_LEVEL',
  'TERCET_MAX_UNFINISHED',
  'TERCET_MAX_REQUESTS',
  'TERCET_DEAD_LETTERS',
  'TERCET_HALF_TOPIC',
  'TERCET_IDS',
  'TERCET_LOCKS',
  'REDIS_URL',
  'KAFKA_BROKERS',
  'KAFKA_SSL',
  'KAFKA_SASL_MECHANISM',
  'KAFKA_SASL_USERNAME',
  'KAFKA_SASL_PASSWORD',
  // For the command line and the client; the service has no use for them.
  'TERCET_URL',
  'TERCET_KEY',
]);
/** What Kubernetes sets in every pod beside a service called `tercet`. */
const KUBERNETES = /^TERCET_(SERVICE_|PORT$|PORT_)/;
const LEASE_MS: Bounds = { from: 500, to: 600_000, default: 5000 };

/** @throws SettingError naming the setting, what is wrong with it and what it may be */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  for (const name of Object.keys(env)) {
    if (name.startsWith('TERCET_') && !KNOWN.has(name) && !KUBERNETES.test(name)) {
      throw new SettingError(`${name} is no setting of Tercet; known are ${[...KNOWN].join(', ')}`);
    }
  }
  // An empty value is one that was not given: that is how compose files and charts leave one out.
  const value = (name: string): string | undefined => env[name] || undefined;
  const whole = (name: string, bounds: Bounds): number => wholeNumber(name, value(name), bounds);
  const parsed = <T>(name: string, read: (text: string) => T): T | null => {
    const text = value(name);
    return text === undefined ? null : orRefuse(`${name}: `, () => read(text));
  };
  const keys = parsed('TERCET_KEYS', parseKeys) ?? [];
  // Read before all others, when the log is opened; here they are checked.
  oneOf('TERCET_LOG', value('TERCET_LOG') ?? 'json', ['json', 'pretty']);
  const logLevel = oneOf('TERCET_LOG_LEVEL', value('TERCET_LOG_LEVEL') ?? 'info', LOG_LEVELS);
  if (value('TERCET_HALF_TOPIC') && !value('KAFKA_BROKERS')) {
    throw new SettingError('TERCET_HALF_TOPIC is set, and KAFKA_BROKERS is not: say where that topic is');
  }
  const locks = oneOf('TERCET_LOCKS', value('TERCET_LOCKS') ?? 'postgres', ['postgres', 'redis']);
  const ids = parsed('TERCET_IDS', gidSetting) ?? gidSetting('uuidv7');
  for (const [name, where] of Object.entries({ TERCET_LOCKS: locks, TERCET_IDS: ids.kind })) {
    if (where !== 'redis' || value('REDIS_URL')) continue;
    throw new SettingError(`${name} is 'redis', and REDIS_URL is not set: say where Redis is`);
  }
  const servers = parsed('REDIS_URL', redisUrls) ?? [];
  if (ids.kind === 'redis' && servers.length > 1) {
    throw new SettingError(`TERCET_IDS is 'redis', which counts in one server, and REDIS_URL names ${servers.length}`);
  }
  const { host, port } = listen(value('TERCET_LISTEN') ?? '127.0.0.1:8372', keys.length > 0);
  return Object.freeze({
    databaseUrl: databaseUrl(value('DATABASE_URL')),
    host,
    port,
    dataDir: value('TERCET_DATA_DIR') ?? '.tercet',
    node: node(value('TERCET_NODE')),
    labels: parsed('TERCET_LABELS', labels) ?? {},
    logLevel,
    leaseMs: whole('TERCET_LEASE_MS', LEASE_MS),
    allowList: parsed('TERCET_ALLOWED_TARGETS', (text) => new AllowList(text)) ?? new AllowList('127.0.0.0/8,[::1]'),
    migrate: oneOf('TERCET_MIGRATE', value('TERCET_MIGRATE') ?? 'auto', ['auto', 'off']),
    keys,
    viewerSees: oneOf('TERCET_VIEWER_SEES', value('TERCET_VIEWER_SEES') ?? 'all', ['all', 'no-payloads']),
    configKeys: parsed('TERCET_CONFIG_KEYS', parseMasterKeys),
    tls: orRefuse('', () => serverCertificate(value)),
    callTls: orRefuse('', () => callTls(value)),
    callThread: oneOf('TERCET_CALL_THREAD', value('TERCET_CALL_THREAD') ?? 'on', ['on', 'off']) === 'on',
    signing: parsed('TERCET_SIGNING_SECRET', (text) => new SigningSecrets(text)),
    alertUrl: parsed('TERCET_ALERT_URL', alertUrl),
    alertAgeMs: whole('TERCET_ALERT_AGE_MS', ALERT_AGE_MS),
    maxUnfinished: whole('TERCET_MAX_UNFINISHED', MAX_UNFINISHED),
    maxRequests: whole('TERCET_MAX_REQUESTS', MAX_REQUESTS),
    retentionDays: whole('TERCET_RETENTION_DAYS', RETENTION_DAYS),
    ids,
    kafka: orRefuse('', () => kafkaSettings(value)),
    halfTopic: parsed('TERCET_HALF_TOPIC', halfTopic),
    deadLetters: oneOf('TERCET_DEAD_LETTERS', value('TERCET_DEAD_LETTERS') ?? 'block', POLICIES),
    redisUrls: servers,
    locks,
    traces: traces(value),
  });
}

/** What others read, they refuse with a plain error. */
function orRefuse<T>(prefix: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new SettingError(prefix + (error as Error).message);
  }
}

function databaseUrl(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (!URL.canParse(text) || !/^postgres(ql)?:$/.test(new URL(text).protocol)) {
    throw new SettingError('DATABASE_URL must be like postgres://user:password@host:5432/database');
  }
  return text;
}

function listen(text: string, hasKeys: boolean): { host: string; port: number } {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2];
  const port = Number(found?.[3]);
  if (!host || port > 65_535)
    throw new SettingError(`TERCET_LISTEN is '${text}'; it must be HOST:PORT, like 127.0.0.1:8372`);
  if (!hasKeys && !isLoopback(host)) {
    throw new SettingError(
      `TERCET_LISTEN is '${text}', beyond loopback, and there are no keys: anybody who reaches it could move money. ` +
        'Set TERCET_KEYS (`tercet key new` makes them), or listen on 127.0.0.1',
    );
  }
  return { host, port };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function node(text: string | undefined): string {
  if (text === undefined) {
    const name = hostname()
      .replace(/[^A-Za-z0-9._:-]/g, '-')
      .slice(0, 100);
    return `${name}-${randomBytes(3).toString('hex')}`;
  }
  if (!IDENTIFIER.test(text))
    throw new SettingError(`TERCET_NODE is '${text}'; it may have 1 to 128 of A-Z a-z 0-9 . _ : -`);
  return text;
}

function wholeNumber(name: string, text: string | undefined, bounds: Bounds): number {
  if (text === undefined) return bounds.default;
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= bounds.from && number <= bounds.to) return number;
  throw new SettingError(`${name} is '${text}'; it must be a whole number from ${bounds.from} to ${bounds.to}`);
}

function oneOf<T extends string>(name: string, text: string, words: readonly T[]): T {
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new SettingError(`${name} is '${text}'; it must be ${words.map((word) => `'${word}'`).join(' or ')}`);
}

function halfTopic(text: string): string {
  if (TOPIC.test(text)) return text;
  throw new Error(`'${text}' is no topic; it must be 1 to 249 of A-Z a-z 0-9 . _ -`);
}

/** Not repeated when it is wrong: such URLs often hold a secret. */
function alertUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return url;
  throw new Error('it must be a URL that begins with http:// or https:// and has no user in it');
}

/** One server, or several that know nothing of each other; not repeated when wrong, since a password may stand in it. */
function redisUrls(text: string): string[] {
  const urls = text.split(',').map((each) => each.trim());
  const isGood = (url: string): boolean => URL.canParse(url) && /^rediss?:$/.test(new URL(url).protocol);
  if (!urls.every(isGood)) {
    throw new Error('it must be like redis://user:password@host:6379/0, with commas between several');
  }
  if ([1, 3, 5].includes(urls.length)) return urls;
  throw new Error(
    `it names ${urls.length} servers, and must name 1, 3 or 5 that are independent of each other: of an even number ` +
      'a half could lock out the other half, and no more may fail than of one less',
  );
}

function traces(value: (name: string) => string | undefined): boolean {
  const isOff = value('OTEL_SDK_DISABLED')?.toLowerCase() === 'true' || value('OTEL_TRACES_EXPORTER') === 'none';
  return !isOff && Boolean(value('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ?? value('OTEL_EXPORTER_OTLP_ENDPOINT'));
}
