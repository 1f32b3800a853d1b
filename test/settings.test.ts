/** The settings of docs/wire.md, section 1: their defaults, and what stops the start. */
import { randomBytes } from 'node:crypto';
import { MasterKeys } from '../src/config-center/master-keys.js';
import { newKey } from '../src/http/keys.js';
import { SigningSecrets } from '../src/protocol/signature.js';
import { KNOWN, readSettings, SettingError } from '../src/settings.js';

const sasl = { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'secret' };

function refusal(env: Record<string, string>): string {
  try {
    readSettings(env);
  } catch (error) {
    expect(error).toBeInstanceOf(SettingError);
    return (error as SettingError).message;
  }
  throw new Error(`${JSON.stringify(env)} was taken`);
}

test('without any, every setting has its default', () => {
  const { allowList, node, ...settings } = readSettings({});
  expect(settings).toEqual({
    databaseUrl: null,
    host: '127.0.0.1',
    port: 8372,
    dataDir: '.tercet',
    leaseMs: 5000,
    migrate: 'auto',
    keys: [],
    viewerSees: 'all',
    configKeys: null,
    tls: null,
    callTls: null,
    callThread: true,
    signing: null,
    alertUrl: null,
    alertAgeMs: 300_000,
    labels: {},
    logLevel: 'info',
    maxUnfinished: 20_000,
    maxRequests: 10_000,
    deadLetters: 'block',
    halfTopic: null,
    retentionDays: 30,
    ids: { kind: 'uuidv7' },
    kafka: null,
    redisUrls: [],
    locks: 'postgres',
    traces: false,
  });
  expect(node).toMatch(/^[\w.:-]{1,128}$/);
  expect(['127.0.0.1', '127.9.9.9', '::1'].every((address) => allowList.permits(address, address))).toBe(true);
  expect(['10.0.0.1', '::2', '169.254.169.254'].some((address) => allowList.permits(address, address))).toBe(false);
});

test('each is taken as it is given', () => {
  const { allowList, ...settings } = readSettings({
    DATABASE_URL: 'postgresql://tercet:secret@db:5433/log?sslmode=require',
    TERCET_LISTEN: '[::1]:0',
    TERCET_DATA_DIR: '/var/lib/tercet',
    TERCET_NODE: 'node-1',
    TERCET_LABELS: 'zone=a, tier=canary',
    TERCET_LEASE_MS: '500',
    TERCET_ALLOWED_TARGETS: '10.0.0.0/8, .svc.local',
    TERCET_MIGRATE: 'off',
    TERCET_CALL_THREAD: 'off',
    TERCET_VIEWER_SEES: 'no-payloads',
    TERCET_CONFIG_KEYS: `new:${randomBytes(32).toString('base64')}, old:${randomBytes(32).toString('base64')}`,
    TERCET_SIGNING_SECRET: `${'a'.repeat(32)},${'b'.repeat(32)}`,
    TERCET_ALERT_URL: 'https://alerts.example.org/hook?channel=ops',
    TERCET_ALERT_AGE_MS: '60000',
    TERCET_LOG: 'pretty',
    TERCET_LOG_LEVEL: 'warn',
    TERCET_MAX_UNFINISHED: '8',
    TERCET_MAX_REQUESTS: '9',
    TERCET_DEAD_LETTERS: 'skip',
    TERCET_HALF_TOPIC: 'tercet.half',
    TERCET_IDS: 'sequence:2/3',
    TERCET_RETENTION_DAYS: '3650',
    TERCET_LOCKS: 'redis',
    REDIS_URL: 'redis://:secret@a:6379, rediss://b:6380/1,redis://[::1]:6379',
    KAFKA_BROKERS: 'kafka-1:9092, 10.0.0.7:19092',
    KAFKA_SSL: 'true',
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    KAFKA_SASL_USERNAME: 'tercet',
    KAFKA_SASL_PASSWORD: 'secret',
    TERCET_URL: 'http://elsewhere:8372',
    TERCET_KEY: 'of the client',
  });
  expect(settings).toEqual({
    databaseUrl: 'postgresql://tercet:secret@db:5433/log?sslmode=require',
    host: '::1',
    port: 0,
    dataDir: '/var/lib/tercet',
    node: 'node-1',
    leaseMs: 500,
    migrate: 'off',
    keys: [],
    viewerSees: 'no-payloads',
    configKeys: expect.any(MasterKeys),
    tls: null,
    callTls: null,
    callThread: false,
    signing: expect.any(SigningSecrets),
    alertUrl: new URL('https://alerts.example.org/hook?channel=ops'),
    alertAgeMs: 60_000,
    labels: { zone: 'a', tier: 'canary' },
    logLevel: 'warn',
    maxUnfinished: 8,
    maxRequests: 9,
    deadLetters: 'skip',
    halfTopic: 'tercet.half',
    ids: { kind: 'sequence', index: 2, of: 3 },
    retentionDays: 3650,
    kafka: {
      brokers: ['kafka-1:9092', '10.0.0.7:19092'],
      ssl: true,
      sasl: { mechanism: 'scram-sha-512', username: 'tercet', password: 'secret' },
    },
    redisUrls: ['redis://:secret@a:6379', 'rediss://b:6380/1', 'redis://[::1]:6379'],
    locks: 'redis',
    traces: false,
  });
  expect(allowList.permits('account.svc.local', '10.9.9.9')).toBe(true);
  expect(allowList.permits('127.0.0.1', '127.0.0.1')).toBe(false);
});

test('two nodes on one host have different names', () => {
  expect(readSettings({}).node).not.toBe(readSettings({}).node);
});

test('an empty value is one that was not given', () => {
  const env = Object.fromEntries(['DATABASE_URL', ...KNOWN].map((name) => [name, '']));
  const comparable = ({ allowList, ...rest }: ReturnType<typeof readSettings>) => ({
    ...rest,
    allowList: { ...allowList, lookup: null },
  });
  const node = { TERCET_NODE: 'n' };
  expect(comparable(readSettings({ ...env, ...node }))).toEqual(comparable(readSettings(node)));
});

test.each([
  ['DATABASE_URL', 'localhost:5432'],
  ['DATABASE_URL', 'mysql://localhost/tercet'],
  ['TERCET_LISTEN', '8372'],
  ['TERCET_LISTEN', '127.0.0.1'],
  ['TERCET_LISTEN', '127.0.0.1:'],
  ['TERCET_LISTEN', '127.0.0.1:65536'],
  ['TERCET_LISTEN', '127.0.0.1:-1'],
  ['TERCET_LISTEN', ':8372'],
  ['TERCET_LISTEN', '::1:8372'],
  ['TERCET_LISTEN', 'http://127.0.0.1:8372'],
  ['TERCET_NODE', 'a b'],
  ['TERCET_NODE', '..'],
  ['TERCET_NODE', 'x'.repeat(129)],
  ['TERCET_LEASE_MS', '5s'],
  ['TERCET_LEASE_MS', '499'],
  ['TERCET_LEASE_MS', '600001'],
  ['TERCET_LEASE_MS', '1e4'],
  ['TERCET_LEASE_MS', '-5000'],
  ['TERCET_LEASE_MS', '5000.5'],
  ['TERCET_ALLOWED_TARGETS', '10.0.0.0/33'],
  ['TERCET_ALLOWED_TARGETS', '127.0.0.1,http://account'],
  ['TERCET_ALLOWED_TARGETS', '*.svc.local'],
  ['TERCET_ALLOWED_TARGETS', '10.0.0'],
  ['TERCET_RETENTION_DAYS', '0'],
  ['TERCET_RETENTION_DAYS', '3651'],
  ['TERCET_RETENTION_DAYS', '30d'],
  ['TERCET_LABELS', 'zone'],
  ['TERCET_LABELS', 'zone=a,zone=b'],
  ['TERCET_LABELS', 'zone=a=b'],
  ['TERCET_LABELS', `zone=${'a'.repeat(64)}`],
  ['TERCET_LABELS', Array.from({ length: 21 }, (_, label) => `l${label}=x`).join()],
  ['TERCET_MIGRATE', 'on'],
  ['TERCET_CALL_THREAD', '2'],
  ['TERCET_MIGRATE', 'OFF'],
  ['TERCET_VIEWER_SEES', 'nothing'],
  ['TERCET_KEYS', ' , '],
  ['TERCET_CONFIG_KEYS', 'k:c2hvcnQ='],
  ['TERCET_SIGNING_SECRET', 'tooshort'],
  ['TERCET_ALERT_URL', 'alerts.example.org'],
  ['TERCET_ALERT_URL', 'file:///etc/passwd'],
  ['TERCET_ALERT_URL', 'https://user:password@alerts.example.org/'],
  ['TERCET_ALERT_AGE_MS', '999'],
  ['TERCET_LOG', 'text'],
  ['TERCET_LOG_LEVEL', 'debug'],
  ['TERCET_MAX_UNFINISHED', '0'],
  ['TERCET_MAX_REQUESTS', '1000001'],
  ['TERCET_DEAD_LETTERS', 'drop'],
  // Without KAFKA_BROKERS.
  ['TERCET_HALF_TOPIC', 'tercet.half'],
  // Without REDIS_URL.
  ['TERCET_IDS', 'redis'],
  ['TERCET_IDS', 'uuid'],
  ['TERCET_IDS', 'sequence:4/3'],
  ['TERCET_IDS', 'sequence:0/3'],
  ['TERCET_IDS', 'sequence:'],
  // Without REDIS_URL.
  ['TERCET_LOCKS', 'redis'],
  ['TERCET_LOCKS', 'etcd'],
  ['REDIS_URL', 'localhost:6379'],
  ['REDIS_URL', 'redis://a:6379,redis://b:6379'],
  ['REDIS_URL', 'redis://a,redis://b,redis://c,redis://d'],
  ['REDIS_URL', 'redis://a,'],
  ['KAFKA_BROKERS', 'kafka'],
  ['KAFKA_BROKERS', 'kafka:0'],
  ['KAFKA_BROKERS', 'kafka:65536'],
  ['KAFKA_BROKERS', 'kafka:9092,'],
  ['KAFKA_BROKERS', 'PLAINTEXT://kafka:9092'],
  ['KAFKA_BROKERS', '[::1]:9092'],
])('%s=%s stops the start and is named', (name, value) => {
  expect(refusal({ [name]: value })).toMatch(new RegExp(`^${name}\\b`));
});

test('a topic of half messages has the name of one', () => {
  expect(refusal({ TERCET_HALF_TOPIC: 'half messages', KAFKA_BROKERS: 'kafka:9092' })).toMatch(/^TERCET_HALF_TOPIC\b/);
});

test('what is wrong with a URL is said without what is secret in it', () => {
  expect(refusal({ TERCET_ALERT_URL: 'ftp://alerts.example.org/secret' })).not.toContain('secret');
  expect(refusal({ REDIS_URL: 'http://:secret@redis:6379' })).not.toContain('secret');
  expect(refusal({ DATABASE_URL: 'mysql://tercet:secret@db/log' })).not.toContain('secret');
});

test.each<[string, Record<string, string>, RegExp]>([
  ['a word', { KAFKA_SSL: 'yes' }, /^KAFKA_SSL is 'yes'/],
  ['a mechanism', { ...sasl, KAFKA_SASL_MECHANISM: 'gssapi' }, /^KAFKA_SASL_MECHANISM is 'gssapi'.*plain/],
  ['no user', { ...sasl, KAFKA_SASL_USERNAME: '' }, /^KAFKA_SASL_USERNAME must be set/],
  ['a user alone', { KAFKA_SASL_USERNAME: 'u' }, /^KAFKA_SASL_MECHANISM and KAFKA_SASL_PASSWORD must be set/],
])('how Kafka is reached: %s is named, and the password is not shown', (_what, env, told) => {
  const refused = refusal({ KAFKA_BROKERS: 'kafka:9092', ...env });
  expect(refused).toMatch(told);
  expect(refused).not.toContain('secret');
});

test('without brokers nothing else of Kafka is looked at', () => {
  expect(readSettings({ KAFKA_SSL: 'yes', KAFKA_PORT: 'tcp://10.0.0.7:9092' }).kafka).toBeNull();
});

test('what is wrong with a signing secret is said without it', () => {
  const told = refusal({ TERCET_SIGNING_SECRET: `${'a'.repeat(32)},tooshort` });
  expect(told).toMatch(/^TERCET_SIGNING_SECRET: secret 2 of 2 must have 32 to 1024/);
  expect(told).not.toMatch(/aaa|tooshort/);
});

test('an entry of the allow-list that is none is named', () => {
  expect(refusal({ TERCET_ALLOWED_TARGETS: '127.0.0.1, http://account' })).toContain("'http://account'");
});

test.each([
  '0.0.0.0:8372',
  '[::]:8372',
  '192.168.0.1:8372',
  'example.org:80',
  '127.example.org:80',
  'localhost.org:80',
])('listening on %s, beyond loopback, is refused while there are no keys', (listen) => {
  expect(refusal({ TERCET_LISTEN: listen })).toMatch(/^TERCET_LISTEN .*beyond loopback.*no keys/);
});

test.each(['127.0.0.1:0', '127.8.7.6:1', 'localhost:8372', '[::1]:8372'])('%s is loopback', (listen) => {
  expect(() => readSettings({ TERCET_LISTEN: listen })).not.toThrow();
});

test.each(['0.0.0.0:8372', '[::]:8372', 'example.org:80'])(
  'listening on %s is taken where there are keys',
  (listen) => {
    const { entry } = newKey('ops', 'operator');
    expect(readSettings({ TERCET_LISTEN: listen, TERCET_KEYS: entry }).keys).toHaveLength(1);
  },
);

test('an unknown name is named, with those that are known', () => {
  expect(refusal({ TERCET_LEASEMS: '1' })).toMatch(
    /^TERCET_LEASEMS is no setting of Tercet; known are .*TERCET_LEASE_MS/,
  );
  expect(refusal({ TERCET_PORTS: '1' })).toMatch(/^TERCET_PORTS /);
  expect(refusal({ TERCET_: '' })).toMatch(/^TERCET_ /);
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, true],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces' }, true],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_SDK_DISABLED: 'true' }, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_TRACES_EXPORTER: 'none' }, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, false],
  [{ OTEL_SERVICE_NAME: 'tercet' }, false],
])('%j: whether spans are exported is %s', (env, traces) => {
  expect(readSettings(env).traces).toBe(traces);
});

test('what Kubernetes sets beside a service called tercet, and other names, are left alone', () => {
  const env = {
    TERCET_SERVICE_HOST: '10.0.0.7',
    TERCET_SERVICE_PORT: '8372',
    TERCET_SERVICE_PORT_HTTP: '8372',
    TERCET_PORT: 'tcp://10.0.0.7:8372',
    TERCET_PORT_8372_TCP: 'tcp://10.0.0.7:8372',
    TERCET_PORT_8372_TCP_ADDR: '10.0.0.7',
    PATH: '/bin',
    tercet_listen: 'x',
  };
  expect(readSettings(env)).toMatchObject({ host: '127.0.0.1', port: 8372 });
});

test('numbers of Redis are counted in one server: several are refused', () => {
  const env = { TERCET_IDS: 'redis', REDIS_URL: 'redis://a,redis://b,redis://c' };
  expect(refusal(env)).toBe("TERCET_IDS is 'redis', which counts in one server, and REDIS_URL names 3");
  expect(readSettings({ ...env, REDIS_URL: 'redis://a' }).ids).toEqual({ kind: 'redis' });
});
