/** Which settings are given, as anybody may read them: no password, no key, no secret. */
import { KNOWN } from './settings.js';

/** Values that are harmless as they stand. */
const OPEN = new Set([
  'TERCET_LISTEN',
  'TERCET_DATA_DIR',
  'TERCET_NODE',
  'TERCET_LABELS',
  'TERCET_LEASE_MS',
  'TERCET_ALLOWED_TARGETS',
  'TERCET_MIGRATE',
  'TERCET_VIEWER_SEES',
  'TERCET_TLS_CERT',
  'TERCET_TLS_KEY',
  'TERCET_CALL_CA',
  'TERCET_CALL_CERT',
  'TERCET_CALL_KEY',
  'TERCET_CALL_THREAD',
  'TERCET_RETENTION_DAYS',
  'TERCET_ALERT_AGE_MS',
  'TERCET_LOG',
  'TERCET_LOG_LEVEL',
  'TERCET_MAX_UNFINISHED',
  'TERCET_MAX_REQUESTS',
  'TERCET_DEAD_LETTERS',
  'TERCET_HALF_TOPIC',
  'TERCET_IDS',
  'TERCET_LOCKS',
  'KAFKA_BROKERS',
  'KAFKA_SSL',
  'KAFKA_SASL_MECHANISM',
  'KAFKA_SASL_USERNAME',
]);
/** Of the command line. */
const NOT_OURS = new Set(['TERCET_URL', 'TERCET_KEY']);

/** @returns `NAME=value` where the value may be shown, else `NAME is set`, or what of it may be shown */
export function settingsShown(env: Readonly<Record<string, string | undefined>>): string[] {
  const names = Object.keys(env).filter((name) => KNOWN.has(name) || name === 'DATABASE_URL' || /^OTEL_/.test(name));
  return names
    .filter((name) => env[name] && !NOT_OURS.has(name))
    .sort()
    .map((name) => shown(name, env[name] ?? ''));
}

function shown(name: string, value: string): string {
  if (OPEN.has(name)) return `${name}=${value}`;
  if (name === 'DATABASE_URL') return `${name}=${withoutSecrets(value)}`;
  if (name === 'REDIS_URL') return `${name}=${value.split(',').map(withoutSecrets).join(',')}`;
  if (name === 'TERCET_KEYS') return `${name} of ${holders(value)}`;
  return `${name} is set`;
}

/** Scheme, user, host and name: a password may stand in the query too. */
function withoutSecrets(text: string): string {
  if (!URL.canParse(text)) return 'not a URL';
  const { protocol, username, host, pathname } = new URL(text);
  return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`;
}

/** `ops (operator), order-service (initiator+component=order)` */
function holders(text: string): string {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
  return entries
    .map((entry) => /^([^:]*):(.*):[^:]*$/.exec(entry))
    .map((found) => (found ? `${found[1] ?? ''} (${found[2] ?? ''})` : 'something that is no entry'))
    .join(', ');
}
