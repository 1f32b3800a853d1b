/** What a signature covers, how old it may be, and which secrets are taken. */
import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { SigningSecrets } from '../../src/protocol/signature.js';
import type { Signed } from '../../src/protocol/signature.js';

const OLD = 'old-secret-of-thirty-two-letters';
const NEW = 'new-secret-of-thirty-two-letters';
const AT = Date.parse('2026-11-21T08:00:00.700Z');
const T = Math.floor(AT / 1000);
const MINUTE_MS = 60_000;

const signed: Signed = {
  method: 'POST',
  path: '/tercet/wallet/try?shop=1',
  gid: 'order-17',
  op: 'try',
  body: '{ "amount":  1.50, "for": "Zoë ☂" }',
};
const secrets = new SigningSecrets(OLD);
const problem = (over: Partial<Signed>, header: string | undefined, now = AT, toleranceMs?: number): string | null =>
  secrets.problem(header, { ...signed, ...over }, now, toleranceMs);

test('it is the HMAC of the lines time, method, path, gid, op and of the body, as the document says', () => {
  const text = `${T}\nPOST\n/tercet/wallet/try?shop=1\norder-17\ntry\n${String(signed.body)}`;
  const hex = (secret: string): string => createHmac('sha256', secret).update(text).digest('hex');
  expect(secrets.sign(signed, AT)).toBe(`t=${T},v1=${hex(OLD)}`);
  expect(new SigningSecrets(`${NEW}, ${OLD}`).sign(signed, AT)).toBe(`t=${T},v1=${hex(NEW)},v1=${hex(OLD)}`);
});

test('what was signed is good, as text and as bytes', () => {
  const header = secrets.sign(signed, AT);
  expect(problem({}, header)).toBeNull();
  expect(problem({ body: Buffer.from(String(signed.body)) }, header)).toBeNull();
});

test.each<[keyof Signed, string]>([
  ['method', 'PUT'],
  ['path', '/tercet/wallet/try?shop=2'],
  ['gid', 'order-18'],
  ['op', 'confirm'],
  ['body', String(signed.body).replace('  ', ' ')],
  ['body', `${String(signed.body)}\n`],
])('%s is covered: another one is refused', (field, value) => {
  expect(problem({ [field]: value }, secrets.sign(signed, AT))).toMatch(/^no secret known here/);
});

test('the time is covered: another one is refused', () => {
  const header = secrets.sign(signed, AT).replace(`t=${T}`, `t=${T + 1}`);
  expect(problem({}, header)).toMatch(/^no secret known here/);
});

test.each([
  ['old', -5 * MINUTE_MS, 1, /^it was signed 300 s ago, which is too old$/],
  ['far ahead', 5 * MINUTE_MS, -1, /^it was signed 300 s ahead of the clock here$/],
])(
  'one that is too %s is refused: five minutes are taken, and not a millisecond more',
  (_name, awayMs, msMore, why) => {
    const now = T * 1000;
    const header = secrets.sign(signed, now + awayMs);
    expect(problem({}, header, now)).toBeNull();
    expect(problem({}, header, now + msMore)).toMatch(why);
    expect(problem({}, header, now + msMore, 6 * MINUTE_MS)).toBeNull();
  },
);

test('either of two secrets that the coordinator has is good, and either of two that the service has', () => {
  for (const pair of [`${OLD},${NEW}`, `${NEW},${OLD}`]) {
    const both = new SigningSecrets(pair);
    for (const one of [OLD, NEW]) {
      expect(new SigningSecrets(one).problem(both.sign(signed, AT), signed, AT)).toBeNull();
      expect(both.problem(new SigningSecrets(one).sign(signed, AT), signed, AT)).toBeNull();
    }
  }
  expect(new SigningSecrets(NEW).problem(secrets.sign(signed, AT), signed, AT)).toMatch(/^no secret known here/);
});

test('without the header it is refused', () => {
  expect(problem({}, undefined)).toMatch(/^there is no tercet-signature/);
});

const good = `v1=${'0'.repeat(64)}`;
test.each([
  ['', 'nothing'],
  [`t=${T}`, 'no signature'],
  [good, 'no time'],
  [`t=${T},v2=${'0'.repeat(64)}`, 'a signature of another version alone'],
  [`t=,${good}`, 'an empty time'],
  [`t=1e9,${good}`, 'a time that is no whole number'],
  [`t=-${T},${good}`, 'a time below 0'],
  [`t=${T},t=${T},${good}`, 'two times'],
  [`t=${T},${good.slice(0, -1)}`, 'a short signature'],
  [`t=${T},${good}00`, 'a long signature'],
  [`t=${T},v1=${'g'.repeat(64)}`, 'a signature that is no hex'],
  [`t=${T};${good}`, 'another separator'],
  [`t=${T},${good}`.padEnd(1025, ','), 'more than it may be long'],
])('malformed: %s (%s)', (header) => {
  expect(problem({}, header)).toBe('tercet-signature is not of the form t=SECONDS,v1=HEX');
});

test('parts that a later version adds do no harm', () => {
  expect(problem({}, `v0=x,${secrets.sign(signed, AT)},v2=y`)).toBeNull();
});

test.each([
  ['', 'the secret'],
  ['s'.repeat(31), 'the secret'],
  ['s'.repeat(1025), 'the secret'],
  [`${'s'.repeat(31)}ß`, 'the secret'],
  [`${'s'.repeat(31)} s`, 'the secret'],
  [`${OLD},`, 'secret 2 of 2'],
  [`${'s'.repeat(31)},${OLD}`, 'secret 1 of 2'],
])('%j is no secret, and what is said of it has no part of it', (text, which) => {
  let message = '';
  try {
    new SigningSecrets(text);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toBe(`${which} must have 32 to 1024 printable ASCII characters, no space and no comma`);
});

test('three secrets are one too many', () => {
  expect(() => new SigningSecrets(`${OLD},${NEW},${OLD}`)).toThrow('holds 3 secrets; one or two are possible');
});

test('a secret does not show in a log', () => {
  expect(`${JSON.stringify(secrets)} ${inspect(secrets, { depth: 9, showHidden: true })}`).not.toContain(OLD);
});
