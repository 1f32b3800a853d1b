/** API keys: TERCET_KEYS names who has which roles, and holds the hash of each key, never a key. */
import { hash, randomBytes } from 'node:crypto';
import { ENVIRONMENT_NAME } from '../protocol/config.js';
import { IDENTIFIER } from '../protocol/words.js';

export const ROLES = [
  'viewer',
  'initiator',
  'component',
  'operator',
  'config-reader',
  'config-editor',
  'config-releaser',
  'admin',
] as const;
export type Role = (typeof ROLES)[number];

/** Roles for one thing alone, which stands behind `=`: what it is, and what it may be called. */
export const SCOPED = {
  component: { of: 'component', word: 'NAME', form: IDENTIFIER },
  'config-reader': { of: 'environment', word: 'ENV', form: ENVIRONMENT_NAME },
  'config-editor': { of: 'environment', word: 'ENV', form: ENVIRONMENT_NAME },
  'config-releaser': { of: 'environment', word: 'ENV', form: ENVIRONMENT_NAME },
} as const satisfies Partial<Record<Role, { of: string; word: string; form: RegExp }>>;
export type ScopedRole = keyof typeof SCOPED;
/** What each of those roles is for. */
export type Scopes = ReadonlyMap<ScopedRole, ReadonlySet<string>>;

export function isScoped(role: Role): role is ScopedRole {
  return Object.hasOwn(SCOPED, role);
}

export interface KeyEntry {
  /** Who: stands in timelines. */
  readonly name: string;
  readonly roles: ReadonlySet<Role>;
  readonly scopes: Scopes;
  /** SHA-256 of the key. */
  readonly hash: Buffer;
}

const PREFIX = 'tercet_';
/** 256 bits at random: such a key needs no slow hash, and no other is taken. */
const KEY_BYTES = 32;
export const KEY = /^tercet_[A-Za-z0-9_-]{43}$/;
/** Each request is compared with all of them. */
const MAX_KEYS = 200;
const FORM = 'NAME:ROLES:SHA256HEX';

export function hashOf(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

/**
 * Makes a key, and the entry of TERCET_KEYS that knows it. The key cannot be had from the entry.
 *
 * @param name of whom the key is for: letters, digits, `.`, `_`, `-`
 * @param roles as in an entry, such as `initiator+component=order`
 * @throws Error saying what is wrong with the name or the roles
 */
export function newKey(name: string, roles: string): { key: string; entry: string } {
  // Those would be read as something else than they were meant as.
  if (/[:,\s]/.test(name)) throw new Error(`the name '${name}' may have A-Z a-z 0-9 . _ - alone`);
  const key = PREFIX + randomBytes(KEY_BYTES).toString('base64url');
  const entry = `${name}:${roles}:${hashOf(key).toString('hex')}`;
  parseKeys(entry);
  return { key, entry };
}

/**
 * @param text entries `NAME:ROLES:SHA256HEX` between commas or white space
 * @throws Error naming the entry that is wrong, by its name or place: never what could be a key or a hash
 */
export function parseKeys(text: string): KeyEntry[] {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0) throw new Error(`it has no entry; one is ${FORM}, as \`tercet key new\` prints it`);
  if (parts.length > MAX_KEYS) throw new Error(`it has ${parts.length} entries; at most ${MAX_KEYS} are compared`);
  const entries: KeyEntry[] = [];
  for (const [index, part] of parts.entries()) {
    const entry = parseEntry(part, `entry ${index + 1}`);
    for (const other of entries) {
      if (other.name === entry.name) throw new Error(`entry ${index + 1} has the name '${entry.name}' of another one`);
      if (other.hash.equals(entry.hash)) throw new Error(`'${other.name}' and '${entry.name}' have the same key`);
    }
    entries.push(entry);
  }
  return entries;
}

function parseEntry(text: string, place: string): KeyEntry {
  // The name of a component may hold colons, that of a key may not.
  const [, name = '', roleText = '', hex = ''] = /^([^:]*):(.*):([^:]*)$/.exec(text) ?? [];
  if (!IDENTIFIER.test(name) || isSecret(name)) {
    throw new Error(`${place} is not ${FORM} with a NAME of A-Z a-z 0-9 . _ -, as \`tercet key new\` prints it`);
  }
  if (!/^[0-9a-f]{64}$/i.test(hex)) {
    throw new Error(`entry '${name}' must end in the SHA-256 of its key, 64 hex digits, not in anything else`);
  }
  const roles = new Set<Role>();
  const scopes = new Map<ScopedRole, Set<string>>();
  for (const part of roleText.split('+')) {
    const [, word = '', scope] = /^([^=]*)(?:=(.*))?$/.exec(part) ?? [];
    const role = ROLES.find((candidate) => candidate === word);
    const isWhole = role && (isScoped(role) ? SCOPED[role].form.test(scope ?? '') : scope === undefined);
    if (!role || !isWhole) {
      const may = ROLES.map((one) => (isScoped(one) ? `${one}=${SCOPED[one].word}` : one)).join(', ');
      throw new Error(`entry '${name}' has a role that is none; its roles, with + between, may be ${may}`);
    }
    roles.add(role);
    if (isScoped(role)) scopes.set(role, (scopes.get(role) ?? new Set()).add(scope ?? ''));
  }
  return { name, roles, scopes, hash: Buffer.from(hex, 'hex') };
}

/** Somebody mixed up the order: what stands first may be what nobody is to read. */
function isSecret(text: string): boolean {
  return text.startsWith(PREFIX) || /^[0-9a-f]{64}$/i.test(text);
}
