/** docs/errors.md explains every code once, with the status that is really answered, and no code that does not exist. */
import { readFileSync } from 'node:fs';
import { OWN_CODES, TercetError as ClientError } from '../../src/client/errors.js';
import { ERROR_CODES, TercetError } from '../../src/protocol/errors.js';
import { LEAF_CODES } from '../../src/platform/coded-error.js';
import type { Problem } from '../../src/protocol/words.js';

interface Section {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  /** What happened and why. */
  readonly story: string;
  readonly next: string;
}

const document = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const sections: Section[] = [
  ...document.matchAll(/^### (\w+)\n\*\*(\d+)\*\* · (.+)\.\n((?:.+\n)+?)\*\*Next:\*\* ((?:.+\n?)+)/gm),
].map(([, code = '', status = '', title = '', story = '', next = '']) => {
  return { code, status: Number(status), title, story, next };
});
const problems: Problem[] = [
  ...ERROR_CODES.map((code) => new TercetError(code, '').toProblem()),
  ...OWN_CODES.map((code) => ClientError.of(code, '').problem),
];
const byCode = (a: { code: string }, b: { code: string }): number => (a.code < b.code ? -1 : 1);

test('every code has one section with its status and title, and every section is that of a code', () => {
  const shown = sections.map(({ code, status, title }) => ({ code, status, title }));
  const real = problems.map(({ code, status, title }) => ({ code, status, title }));
  expect(shown.sort(byCode)).toEqual(real.sort(byCode));
});

test('what locks throw, and no call answers, is in a table of its own', () => {
  const rows = [...document.matchAll(/^\| `(TERCET_\w+)` \| ([^:.|]+)[:.,|]/gm)].map(([, code, title]) => [
    code,
    title,
  ]);
  const answered = new Set<string>(problems.map(({ code }) => code));
  const own = Object.entries(LEAF_CODES).filter(([code]) => !answered.has(code));
  expect(rows.map(([code]) => code)).toEqual(own.map(([code]) => code));
  for (const [index, [, title]] of own.entries()) expect(rows[index]?.[1]).toMatch(new RegExp(`^${title}`));
});

test('every heading of a section is in its form: status, title, what happened, what to do next', () => {
  const headings = [...document.matchAll(/^### (.*)$/gm)].map(([, heading]) => heading);
  expect(sections.map(({ code }) => code)).toEqual(headings);
});

test('no text names a code that does not exist', () => {
  const settings = ['ALLOWED_TARGETS', 'CONFIG_KEYS', 'IDS', 'KEY', 'KEYS', 'SIGNING_SECRET', 'URL'].map(
    (name) => `TERCET_${name}`,
  );
  const known = new Set([...problems.map(({ code }) => code), ...Object.keys(LEAF_CODES), ...settings]);
  expect([...document.matchAll(/TERCET_[A-Z_]+/g)].map(([name]) => name).filter((name) => !known.has(name))).toEqual(
    [],
  );
});

test('the problem at the head is what the coordinator answers', () => {
  const [, text = ''] = /```json\n([\s\S]*?)```/.exec(document) ?? [];
  const shown = JSON.parse(text) as Problem;
  const { detail, errors = [] } = shown;
  expect(new TercetError('TERCET_REQUEST_INVALID', detail, errors).toProblem()).toEqual(shown);
});
