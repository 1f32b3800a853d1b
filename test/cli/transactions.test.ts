/** tercet tx list, show, watch: for people in 80 columns, for scripts as the API answers it. */
import type { TimelineView, TransactionView } from '../../src/protocol/words.js';
import { begin, TestNode } from '../http/node.js';
import { json } from '../participants/service.js';
import { lines, tercet } from './tercet.js';
import type { Ended } from './tercet.js';

let node: TestNode;

const branches = ['account', 'inventory'].map((name) => ({ branchId: name, component: name, payload: {} }));
const run = (...args: string[]): Promise<Ended> => tercet(args, { TERCET_URL: node.url });

beforeAll(async () => {
  node = await TestNode.start({ TERCET_NODE: 'a' });
  await node.component('account', { retry: { baseMs: 1, capMs: 1, maxAttempts: 3 } });
  await node.component('inventory', { retry: { baseMs: 600_000 } });
  node.participant.answer = (response, asked) => {
    const { gid, op, branchId } = asked.call;
    if (gid === 'aborted' && op === 'try' && branchId === 'inventory')
      json({ reason: 'sold\u001b[31m out' }, 409)(response, asked);
    else if (gid === 'parked' && op === 'confirm' && branchId === 'account') response.writeHead(503).end('read only');
    else if (gid === 'stuck' && op === 'confirm' && branchId === 'inventory') response.writeHead(500).end('broken');
    else json({ held: 300 })(response, asked);
  };
  for (const gid of ['committed', 'aborted', 'parked']) {
    await node.post('/v1/transactions', begin({ gid, branches, wait: 'settled', businessKey: `of ${gid}` }));
  }
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'open', drive: 'initiator', deadlineMs: 3_600_000 });
  await node.post('/v1/transactions', begin({ gid: 'stuck', branches }));
  // Its first failed confirm is recorded.
  await node.participant.wasAsked(1);
  while (!(await timelineOf('stuck')).some(({ outcome }) => outcome === 'unknown')) await node.get('/health/live');
});

afterAll(() => node.stop());

async function timelineOf(gid: string): Promise<TimelineView['events']> {
  return (await node.get<TimelineView>(`/v1/transactions/${gid}/timeline`)).body.events;
}

/** Of a list, sorted: which one is newer is told by a clock that follows another one. */
function gidsOf(ended: Ended): string[] {
  const rows = lines(ended).slice(1);
  return rows.map((line) => line.split(' ')[0] ?? '').sort();
}

/** Cells of the row that begins with `first`. */
function row(ended: Ended, first: string): string[] {
  const found = lines(ended).find((line) => line.split(/ {2,}/)[0] === first);
  return found?.split(/ {2,}/).slice(1) ?? [];
}

describe('tx list', () => {
  test('a row for each: status, branches done, age, and why', async () => {
    const ended = await run('tx', 'list');
    expect([ended.code, ended.stderr]).toEqual([0, '']);
    expect(lines(ended)[0]).toMatch(/^GID +STATUS +DONE +AGE +WHY$/);
    expect(gidsOf(ended)).toEqual(['aborted', 'committed', 'open', 'parked', 'stuck']);
    const age = expect.stringMatching(/^\d+[sm]$/);
    expect(row(ended, 'committed')).toEqual(['committed', '2/2', age]);
    expect(row(ended, 'aborted')).toEqual(['aborted', '2/2', age, 'refused by inventory: sold·[31m out']);
    expect(row(ended, 'parked')).toEqual([
      'committing',
      '1/2',
      age,
      expect.stringMatching(/^parked: account: confirm failed 3 times.*…$/),
    ]);
    expect(row(ended, 'open')).toEqual(['open', '0/0', age]);
    expect(row(ended, 'stuck')).toEqual(['committing', '1/2', age, 'waits for inventory, 1 attempt']);
  });

  test('no line is wider than 80 columns, or than COLUMNS, and none has a colour where there is no terminal', async () => {
    for (const columns of [80, 120]) {
      const { stdout } = await tercet(['tx', 'list'], { TERCET_URL: node.url, COLUMNS: columns === 80 ? '' : '120' });
      expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(columns);
      expect(stdout).not.toContain('\u001b');
    }
  });

  test.each<[string[], string[]]>([
    [['--status', 'committed'], ['committed']],
    [['--parked'], ['parked']],
    [['--unfinished'], ['open', 'parked', 'stuck']],
    [['--business-key', 'of aborted'], ['aborted']],
    [['--component', 'account', '--status', 'aborted'], ['aborted']],
    [['--component', 'nobody'], []],
    [['--mode', 'tcc', '--from', '1h', '--status', 'open'], ['open']],
    [['--to', '1h'], []],
    [['--from', '2001-01-01', '--to', '2001-01-01T10:00Z'], []],
  ])('%j', async (options, gids) => {
    const ended = await run('tx', 'list', ...options);
    expect(ended.code).toBe(0);
    expect(gidsOf(ended)).toEqual(gids);
    if (gids.length === 0) expect(ended).toMatchObject({ stdout: '', stderr: 'no transaction is like that\n' });
  });

  test('--json is what the API answers; --all the transactions of every page, one a line', async () => {
    const { body } = await node.get<{ transactions: TransactionView[] }>('/v1/transactions');
    expect(JSON.parse((await run('tx', 'list', '--json')).stdout)).toEqual(body);
    const page = JSON.parse((await run('tx', 'list', '--json', '--limit', '2')).stdout) as { next: string };
    expect(page.next).toEqual(expect.any(String));
    const all = lines(await run('tx', 'list', '--json', '--all', '--limit', '2'));
    expect(all.map((line) => JSON.parse(line) as unknown)).toEqual(body.transactions);
    expect(lines(await run('tx', 'list', '--all', '--limit', '2'))).toHaveLength(6);
  });

  test('what the coordinator refuses is said in its words: 2', async () => {
    const { code, stderr } = await run('tx', 'list', '--limit', '501');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^tercet: TERCET_REQUEST_INVALID: limit: /)]);
  });
});

describe('tx show', () => {
  test('a committed one: when, its branches with replies, its timeline counted from the begin', async () => {
    const ended = await run('tx', 'show', 'committed');
    expect([ended.code, ended.stderr]).toEqual([0, '']);
    expect(ended.stdout).toMatch(/^committed {2}tcc {2}committed\n {2}business key {2}of committed\n/);
    expect(ended.stdout).toMatch(/ {2}decided +\+0\.\d{3} s: commit\n {2}ended +\+0\.\d{3} s: committed\n/);
    expect(row(ended, 'account')).toEqual(['account', 'confirmed', '1', '{"held":300}']);
    expect(ended.stdout).toMatch(/^ \+0\.000 s {2}begun +on node a$/m);
    expect(ended.stdout).toMatch(/^ \+0\.\d{3} s {2}confirm +inventory +done in \d+ ms$/m);
    expect(ended.stdout).not.toContain('waits for');
  });

  test('an aborted one: who refused, without what a terminal would take for a command', async () => {
    const { stdout } = await run('tx', 'show', 'aborted');
    expect(stdout).toContain('abort, refused by inventory: sold·[31m out');
    expect(stdout).not.toContain('\u001b');
  });

  test('a parked one: why in full, and how it goes on', async () => {
    const { stdout } = await run('tx', 'show', 'parked');
    expect(stdout).toMatch(/^parked {2}tcc {2}committing, parked$/m);
    expect(stdout.replace(/\s+/g, ' ')).toMatch(
      /parked \+\S+ s: account: confirm failed 3 times, .* answered 503: read only/,
    );
    expect(stdout).toMatch(/tercet tx resume parked/);
    expect(stdout).toMatch(/ {2}confirm +account +#3 unknown in \d+ ms: answered 503/);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('one that goes on by itself: branch, operation, attempt, since when, and the last answer', async () => {
    const told = (await run('tx', 'show', 'stuck')).stdout.replace(/\s+/g, ' ');
    expect(told).toMatch(
      /waits for inventory: confirm, attempt 1, since \d+s, last answer: unknown, answered 500: broken/,
    );
    expect((await run('tx', 'show', 'open')).stdout).toContain('waits for  the submit or abort of its initiator');
  });

  test('--json is the transaction as the API answers it, with the events of its timeline', async () => {
    const { body } = await node.get('/v1/transactions/parked');
    const events = await timelineOf('parked');
    expect(JSON.parse((await run('tx', 'show', 'parked', '--json')).stdout)).toEqual({ ...body, events });
  });

  test('one that is not there: 3, and what to do', async () => {
    const { code, stdout, stderr } = await run('tx', 'show', 'no/such?gid');
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(/^tercet: TERCET_TRANSACTION_UNKNOWN: .*no\/such\?gid[^]*`tercet tx list`/);
  });
});

describe('tx watch', () => {
  test.each([
    ['committed', 0],
    ['aborted', 6],
    ['parked', 7],
  ])('of one that is %s already ends at once with %i', async (gid, code) => {
    const ended = await run('tx', 'watch', gid, '--json');
    expect(ended.code).toBe(code);
    expect(lines(ended).map((line) => JSON.parse(line) as unknown)).toEqual(await timelineOf(gid));
  });

  test('prints what was there, then what comes, each once, and ends with the transaction', async () => {
    await node.post('/v1/transactions', { mode: 'tcc', gid: 'watched', drive: 'initiator', branches });
    const ended = run('tx', 'watch', 'watched');
    await node.post('/v1/transactions/watched/submit', { wait: 'settled' });
    const { code, stdout, stderr } = await ended;
    expect([code, stderr]).toEqual([0, '']);
    const kinds = stdout.split('\n').map((line) => line.trim().split(/ {2,}/)[1]);
    expect(kinds).toEqual(['WHAT', 'begun', 'decided', 'confirm', 'confirm', 'ended', undefined]);
  });

  test('--for ends it with 8 where nothing ended', async () => {
    const { code, stdout } = await run('tx', 'watch', 'open', '--for', '50ms');
    expect([code, stdout.split('\n').length]).toEqual([8, 3]);
  });
});
