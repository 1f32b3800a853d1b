/** What ops/ holds is sound, and speaks of metrics that a running node has and docs/operations.md explains. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { begin, TestNode } from '../http/node.js';
import { programOf } from '../support/debian.js';
import { Scrape } from '../support/prometheus.js';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}
interface Dashboard {
  readonly panels: Panel[];
  readonly annotations: { readonly list: { readonly expr: string }[] };
  readonly templating: { readonly list: { readonly name: string; readonly query: string | { query: string } }[] };
}

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const rules = text('ops/alerts.yml');
const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
const dashboard = JSON.parse(text('ops/grafana-dashboard.json')) as Dashboard;
const expressions = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr),
];

const promtool = programOf('promtool', 'prometheus');
const withPromtool = promtool === null ? test.skip : test;

function check(args: string[], input?: string): string {
  const { status, stdout, stderr, error } = spawnSync(promtool ?? '', args, {
    encoding: 'utf8',
    input,
    timeout: 60_000,
  });
  if (error) throw error;
  return status === 0 ? 'sound' : `${status}: ${stdout}${stderr}`;
}

describe('alert rules', () => {
  const path = (name: string): string => new URL(name, import.meta.url).pathname;

  withPromtool('are sound, and fire when they should and only then', () => {
    expect(check(['check', 'rules', path('../../ops/alerts.yml')])).toBe('sound');
    expect(check(['test', 'rules', path('alerts.yml')])).toBe('sound');
  });

  test('each is tested, has a severity, and leads to what docs/operations.md says of it', () => {
    const tests = text('test/ops/alerts.yml');
    const headings = [...text('docs/operations.md').matchAll(/^#### (\w+)$/gm)].map(([, name = '']) => name);
    expect(headings).toEqual(alerts);
    for (const rule of rules.split('- alert: ').slice(1)) {
      const name = /^\w+/.exec(rule)?.[0] ?? '';
      expect(tests).toContain(`"${name}"`);
      expect(rule).toMatch(/severity: (critical|warning|info)/);
      for (const part of ['summary', 'description']) expect(rule).toContain(`${part}: `);
      expect(rule).toContain(`runbook_url: docs/operations.md#${name.toLowerCase()}\n`);
    }
  });
});

describe('the dashboard', () => {
  test('takes its data source, job, node and component from variables, and its panels have places of their own', () => {
    const names = dashboard.templating.list.map(({ name }) => name);
    expect(names).toEqual(['datasource', 'job', 'instance', 'component']);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const { type, datasource, targets = [] } of dashboard.panels) {
      if (type === 'row') continue;
      expect(datasource?.uid).toBe('${datasource}');
      expect(targets.length).toBeGreaterThan(0);
      for (const target of targets) expect(target.datasource.uid).toBe('${datasource}');
    }
    const taken = new Set<string>();
    for (const { gridPos } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken).not.toContain(`${x},${y}`);
          taken.add(`${x},${y}`);
        }
      }
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
    for (const expr of expressions) expect(expr).toContain('instance=~"$instance"');
  });

  withPromtool('asks in sound PromQL', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tercet-dashboard-'));
    const asRules = expressions.map((expr, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$\w+/g, '.*'),
    }));
    const file = join(folder, 'rules.yml');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: asRules }] }));
    expect(check(['check', 'rules', file])).toBe('sound');
    rmSync(folder, { recursive: true });
  });
});

describe('what a running node prints', () => {
  let scrape: Scrape;

  beforeAll(async () => {
    const node = await TestNode.start();
    await node.component('account', { retry: { baseMs: 1, capMs: 1, maxAttempts: 1 } });
    await node.post('/v1/transactions', begin({ wait: 'settled' }));
    node.participant.answer = (response, { call }) => void response.writeHead(call.op === 'try' ? 409 : 500).end('{}');
    await node.post('/v1/transactions', begin({ wait: 'settled' }));
    scrape = await Scrape.of(node.url);
    node.participant.answer = (response) => void response.end();
    await node.stop();
  });

  withPromtool('is sound', () => expect(check(['check', 'metrics'], scrape.text)).toBe('sound'));

  test('holds every metric that the rules and the dashboard name', () => {
    const variables = dashboard.templating.list.map(({ query }) => (typeof query === 'string' ? query : query.query));
    const named = new Set([rules, ...expressions, ...variables].flatMap((one) => one.match(/\btercet_\w+/g) ?? []));
    expect(named.size).toBeGreaterThan(20);
    const printed = new Set(scrape.names);
    const isPrinted = (name: string): boolean =>
      printed.has(name) || printed.has(name.replace(/_(bucket|sum|count)$/, ''));
    expect([...named].filter((name) => !isPrinted(name))).toEqual([]);
  });

  test('is what docs/operations.md lists, and nothing else', () => {
    const listed = [...text('docs/operations.md').matchAll(/^\| `(tercet_\w+)` \| (\w+) \|/gm)];
    const types = [...scrape.text.matchAll(/^# TYPE (\S+) (\w+)$/gm)];
    const asLines = (found: RegExpMatchArray[]): string[] => found.map(([, name, type]) => `${name} ${type}`).sort();
    expect(asLines(listed)).toEqual(asLines(types));
  });
});
