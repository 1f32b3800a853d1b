/** TERCET_KEYS: what an entry may be, and what is said of one that is wrong. docs/wire.md, section 1. */
import { createHash } from 'node:crypto';
import { newKey, parseKeys } from '../../src/http/keys.js';

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
const HASH = sha('a key');
const OTHER = sha('another key');

function refusal(text: string): string {
  try {
    parseKeys(text);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${text} was taken`);
}

test('entries stand between commas or white space, roles add up, and a component may have colons in its name', () => {
  const text = `ops:operator:${HASH},\n  order-service:initiator+component=order+component=shop:stock:${OTHER.toUpperCase()} ,`;
  const shown = parseKeys(text).map((entry) => ({
    ...entry,
    roles: [...entry.roles],
    scopes: [...entry.scopes].map(([role, what]) => [role, [...what]]),
    hash: entry.hash.toString('hex'),
  }));
  expect(shown).toEqual([
    { name: 'ops', roles: ['operator'], scopes: [], hash: HASH },
    {
      name: 'order-service',
      roles: ['initiator', 'component'],
      scopes: [['component', ['order', 'shop:stock']]],
      hash: OTHER,
    },
  ]);
});

test('a new key has 256 bits, and its entry holds its name, its roles and its hash alone', () => {
  const { key, entry } = newKey('order-service', 'initiator+component=order');
  expect(key).toMatch(/^tercet_[A-Za-z0-9_-]{43}$/);
  expect(Buffer.from(key.slice(7), 'base64url')).toHaveLength(32);
  expect(entry).toBe(`order-service:initiator+component=order:${sha(key)}`);
  expect(newKey('order-service', 'viewer').key).not.toBe(key);
  for (const name of ['a:component=b', 'a,b', 'a b', '', '../x'])
    expect(() => newKey(name, 'viewer')).toThrow(/A-Z a-z 0-9/);
  expect(() => newKey('ops', 'operators')).toThrow(/'ops' has a role that is none/);
});

const key = newKey('x', 'viewer').key;

test.each<[string, string, RegExp]>([
  ['no entry', ',\n ', /no entry/],
  ['a key alone', key, /^entry 1 is not NAME:ROLES:SHA256HEX/],
  ['a key for a name', `a:viewer:${OTHER} ${key}:viewer:${HASH}`, /^entry 2 is not/],
  ['a hash for a name', `${HASH}:viewer:ops`, /^entry 1 is not/],
  ['no name', `:viewer:${HASH}`, /^entry 1 is not/],
  ['no roles', `ops:${HASH}`, /^entry 1 is not/],
  ['a key for a hash', `ops:viewer:${key}`, /^entry 'ops' must end in the SHA-256/],
  ['half a hash', `ops:viewer:${HASH.slice(1)}`, /^entry 'ops' must end in the SHA-256/],
  ['an unknown role', `ops:viewer+root:${HASH}`, /^entry 'ops' has a role that is none; .*viewer, .*admin/],
  ['an empty role', `ops::${HASH}`, /^entry 'ops' has a role that is none/],
  ['a role at the place of the hash', `ops:${OTHER}:${HASH}`, /^entry 'ops' has a role that is none/],
  ['a role in capitals', `ops:Viewer:${HASH}`, /^entry 'ops' has a role/],
  ['a component without a name', `ops:component:${HASH}`, /^entry 'ops' has a role .*component=NAME/],
  ['a component with an empty name', `ops:component=:${HASH}`, /^entry 'ops' has a role/],
  ['a component that can be none', `ops:component=a/b:${HASH}`, /^entry 'ops' has a role/],
  ['a name for another role', `ops:viewer=order:${HASH}`, /^entry 'ops' has a role/],
  ['a name twice', `ops:viewer:${HASH},ops:admin:${OTHER}`, /^entry 2 has the name 'ops' of another one/],
  ['a hash twice', `a:viewer:${HASH},b:admin:${HASH.toUpperCase()}`, /^'a' and 'b' have the same key/],
  ['too many', Array.from({ length: 201 }, (_, at) => `k${at}:viewer:${sha(String(at))}`).join(), /201 entries/],
])('%s is refused; no key and no hash is shown', (_what, text, expected) => {
  const told = refusal(text);
  expect(told).toMatch(expected);
  expect(told).not.toMatch(/[0-9a-f]{32}/i);
  expect(told).not.toContain(key);
});
