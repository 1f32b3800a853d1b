/** The settings of certificates: what stops the start, by name. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings, SettingError } from '../src/settings.js';
import { Authority } from './support/certificate.js';

const folder = mkdtempSync(join(tmpdir(), 'tercet-tls-'));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const authority = new Authority('ours');
const { cert, key } = authority.issue();
const CERT = file('cert.pem', cert);
const KEY = file('key.pem', key);
const OTHER_KEY = file('other.pem', authority.issue().key);
const NONE = join(folder, 'none.pem');
const EMPTY = file('empty.pem', '');
const BROKEN = file('broken.pem', cert.replace(/\n.{64}/, '\n'));

afterAll(() => rmSync(folder, { recursive: true }));

test('a pair is taken with what the files hold, and an authority alone or with a pair', () => {
  const { tls } = readSettings({ TERCET_TLS_CERT: CERT, TERCET_TLS_KEY: KEY });
  expect([tls?.cert.toString(), tls?.key.toString()]).toEqual([cert, key]);
  expect(readSettings({ TERCET_CALL_CA: CERT }).callTls).not.toBeNull();
  expect(readSettings({ TERCET_CALL_CERT: CERT, TERCET_CALL_KEY: KEY }).callTls).not.toBeNull();
});

test.each<[string, Record<string, string>, RegExp]>([
  ['a certificate alone', { TLS_CERT: CERT }, /^TERCET_TLS_KEY is not set, and goes with TERCET_TLS_CERT$/],
  ['a key alone', { TLS_KEY: KEY }, /^TERCET_TLS_CERT is not set/],
  [
    'a certificate that is not there',
    { TLS_CERT: NONE, TLS_KEY: KEY },
    /^TERCET_TLS_CERT, .*none\.pem' cannot be read: ENOENT/,
  ],
  [
    'a key that is not there',
    { TLS_CERT: CERT, TLS_KEY: NONE },
    /^TERCET_TLS_CERT, .*none\.pem' cannot be read: ENOENT/,
  ],
  ['a folder', { TLS_CERT: folder, TLS_KEY: KEY }, /cannot be read: EISDIR/],
  [
    'the key of another certificate',
    { TLS_CERT: CERT, TLS_KEY: OTHER_KEY },
    /cert\.pem' and the key in '.*other\.pem' are no pair/,
  ],
  ['the two mixed up', { TLS_CERT: KEY, TLS_KEY: CERT }, /are no pair/],
  ['an empty file', { TLS_CERT: EMPTY, TLS_KEY: KEY }, /are no pair/],
  [
    'for calls, a certificate alone',
    { CALL_CERT: CERT },
    /^TERCET_CALL_KEY is not set, and goes with TERCET_CALL_CERT$/,
  ],
  [
    'for calls, the key of another one',
    { CALL_CERT: CERT, CALL_KEY: OTHER_KEY },
    /^TERCET_CALL_CERT, TERCET_CALL_KEY: /,
  ],
  ['an authority that is not there', { CALL_CA: NONE }, /^TERCET_CALL_CA: '.*none\.pem' cannot be read: ENOENT/],
  ['an authority that is none', { CALL_CA: KEY }, /^TERCET_CALL_CA: '.*key\.pem' holds no certificate/],
  ['an authority that is cut short', { CALL_CA: BROKEN }, /^TERCET_CALL_CA: /],
])('%s stops the start', (_what, given, expected) => {
  const env = Object.fromEntries(Object.entries(given).map(([name, path]) => [`TERCET_${name}`, path]));
  expect(() => readSettings(env)).toThrow(SettingError);
  expect(() => readSettings(env)).toThrow(expected);
  expect(() => readSettings(env)).not.toThrow(/PRIVATE KEY/);
});
