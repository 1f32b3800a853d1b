/** docs/wire.md, section 7: the checks in other languages, as printed, agree with the SDK on calls that are good and bad. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpParticipants } from '../../src/participants/http.js';
import { PoolSender } from '../../src/participants/sender.js';
import { AllowList } from '../../src/participants/allow-list.js';
import { SigningSecrets } from '../../src/protocol/signature.js';
import { verifyCall } from '../../src/client/index.js';
import { ManualClock, NOON } from '../participants/manual-clock.js';
import { component, request } from '../participants/request.js';

const OLD = 'old-secret-of-thirty-two-letters';
const NEW = 'new-secret-of-thirty-two-letters';
const TIMEOUT_MS = 240_000;
const document = readFileSync(new URL('../../docs/wire.md', import.meta.url), 'utf8');

interface Case {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly secrets: string[];
}

/** A call as the coordinator sends it, signed `agoMs` ago. */
function called(secrets: string, agoMs = 0): Omit<Case, 'what' | 'secrets'> {
  const clock = new ManualClock();
  clock.pass(Date.now() - NOON - agoMs);
  const participants = new HttpParticipants(
    new PoolSender(new AllowList('127.0.0.0/8'), clock),
    clock,
    new SigningSecrets(secrets),
  );
  const targets = { try: 'http://127.0.0.1/wallet/try?shop=1' };
  const branchOver = { payload: '{ "amount":  1.50, "for": "Zoë ☂" }' };
  const { headers, body } = participants.prepare(request(component('', { targets }), { branchOver }));
  return { method: 'POST', path: '/wallet/try?shop=1', headers: { ...headers }, body };
}

function cases(): Case[] {
  const good = { ...called(OLD), secrets: [OLD] };
  const header = (name: string, value: string): Case['headers'] => ({ ...good.headers, [name]: value });
  const signature = good.headers['tercet-signature'] ?? '';
  const { 'tercet-signature': _taken, ...unsigned } = good.headers;
  return [
    { ...good, what: 'good' },
    { ...good, what: 'good: either of two here', secrets: [NEW, OLD] },
    { ...called(`${NEW},${OLD}`), what: 'good: the old of two there', secrets: [OLD] },
    { ...called(`${NEW},${OLD}`), what: 'good: the new of two there', secrets: [NEW] },
    { ...called(OLD, 200_000), what: 'good: not yet too old', secrets: [OLD] },
    { ...good, what: 'good: parts that are not known', headers: header('tercet-signature', `${signature},v2=x`) },
    { ...good, what: 'another secret', secrets: [NEW] },
    { ...good, what: 'another method', method: 'PUT' },
    { ...good, what: 'another path', path: '/wallet/try?shop=2' },
    { ...good, what: 'another gid', headers: header('tercet-gid', 'other') },
    { ...good, what: 'another operation', headers: header('tercet-op', 'confirm') },
    { ...good, what: 'another body', body: good.body.replace('  ', ' ') },
    { ...good, what: 'another time', headers: header('tercet-signature', signature.replace(/^t=\d+/, nextSecond)) },
    { ...called(OLD, 400_000), what: 'too old', secrets: [OLD] },
    { ...called(OLD, -400_000), what: 'ahead', secrets: [OLD] },
    { ...good, what: 'no signature', headers: unsigned },
    { ...good, what: 'an empty signature', headers: header('tercet-signature', '') },
    { ...good, what: 'no time', headers: header('tercet-signature', signature.replace(/^t=\d+,/, '')) },
    { ...good, what: 'a time that is none', headers: header('tercet-signature', signature.replace(/^t=\d+/, 't=now')) },
    { ...good, what: 'half a signature', headers: header('tercet-signature', signature.slice(0, -2)) },
  ];
}

const nextSecond = (time: string): string => `t=${Number(time.slice(2)) + 1}`;
const isGood = ({ what }: Case): boolean => what.startsWith('good');

test('the SDK takes those that are good, and no other', () => {
  const taken = cases().map(({ secrets, ...call }) => {
    try {
      verifyCall({ ...call, secrets: secrets.join(',') });
      return true;
    } catch {
      return false;
    }
  });
  expect(taken).toEqual(cases().map(isGood));
});

function printed(language: string): string {
  const [, code] = new RegExp(`^\`\`\`${language}\\n([^]*?)\\n\`\`\`$`, 'm').exec(document) ?? [];
  if (code === undefined) throw new Error(`docs/wire.md has no block of ${language}`);
  return code;
}

const PYTHON = `
import json, sys
for case in json.load(sys.stdin):
    print(is_genuine(case["method"], case["path"], case["headers"], case["body"].encode(), case["secrets"]))
`;
const GO = `package main

import ("encoding/json"; "fmt"; "os")

type Case struct { Method, Path, Body string; Headers map[string]string; Secrets []string }

func main() {
	var cases []Case
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil { panic(err) }
	for _, one := range cases {
		header := func(name string) string { return one.Headers[name] }
		fmt.Println(IsGenuine(one.Method, one.Path, header, []byte(one.Body), one.Secrets))
	}
}
`;

interface Language {
  readonly name: string;
  /** Succeeds where the language is installed. */
  readonly probe: string[];
  readonly files: Record<string, string>;
  readonly build?: string[];
  readonly run: string[];
}

const LANGUAGES: Language[] = [
  {
    name: 'python',
    probe: ['python3', '--version'],
    files: { 'check.py': `${printed('python')}\n${PYTHON}` },
    run: ['python3', 'check.py'],
  },
  {
    name: 'go',
    probe: ['go', 'version'],
    files: { 'check.go': printed('go'), 'main.go': GO },
    build: ['go', 'build', '-o', 'check', 'check.go', 'main.go'],
    run: ['./check'],
  },
];

describe.each(LANGUAGES)('in $name', ({ name, probe, files, build, run: command }) => {
  test('it has about 20 lines', () => {
    expect(printed(name).split('\n').length).toBeLessThanOrEqual(22);
  });

  const why = missing(probe);
  if (why !== null) process.stderr.write(`docs/wire.md in ${name} is not run: ${why}\n`);
  (why === null ? test : test.skip)(
    'those that are good are taken, and no other',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'tercet-signature-'));
      try {
        for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
        if (build) await run(build, folder, '');
        const signed = cases();
        const taken = (await run(command, folder, JSON.stringify(signed))).trim().toLowerCase().split('\n');
        const told = signed.map(({ what }, at) => [what, taken[at]]);
        expect(told).toEqual(signed.map((one) => [one.what, String(isGood(one))]));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    TIMEOUT_MS,
  );
});

function missing([program = '', ...args]: string[]): string | null {
  try {
    execFileSync(program, args, { stdio: 'pipe' });
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function run([program = '', ...args]: string[], cwd: string, input: string): Promise<string> {
  return new Promise((done, fail) => {
    const child = execFile(program, args, { cwd, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error) fail(new Error(`${error.message}\n${stderr}`));
      else done(stdout);
    });
    child.stdin?.end(input);
  });
}
