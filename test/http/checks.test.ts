/** Each fact that is wrong is told as wrong, with what to do; when all are right, nothing is. */
import { databaseChecks } from '../../src/http/checks.js';
import type { DatabaseFacts } from '../../src/storage/diagnosis.js';

const DAY_MS = 86_400_000;
const right: DatabaseFacts = {
  roundTripMs: 0.4,
  clockOffsetMs: -3,
  server: {
    version: '18.4',
    isReplica: false,
    user: 'tercet',
    synchronousCommit: 'on',
    timeZone: 'UTC',
    fsync: 'on',
    fullPageWrites: 'on',
    autovacuum: 'on',
    trackCounts: 'on',
    maxConnections: 100,
    reservedConnections: 3,
    connections: 12,
  },
  lackingMigrations: [],
  lackingRight: null,
  nodes: [{ node: 'a', isDead: false, leftMs: 3000, owned: 2 }],
  work: { open: 1, committing: 1, aborting: 0, parked: 0, oldest: { gid: 'g', status: 'committing', ageMs: 2000 } },
  history: { aheadMs: 7 * DAY_MS, partitions: 9, isDefaultUsed: false },
};

test('where all is right, every check is, and none advises', () => {
  const checks = databaseChecks(right);
  expect(checks.filter(({ ok, advice }) => ok !== true || advice !== null)).toEqual([]);
  expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
});

const server = (over: Partial<DatabaseFacts['server']>): Partial<DatabaseFacts> => ({
  server: { ...right.server, ...over },
});
const work = (over: Partial<DatabaseFacts['work']>): Partial<DatabaseFacts> => ({ work: { ...right.work, ...over } });
const history = (over: Partial<DatabaseFacts['history']>): Partial<DatabaseFacts> => ({
  history: { ...right.history, ...over },
});

test.each<[string, boolean | 'warning', RegExp, Partial<DatabaseFacts>]>([
  ['database', 'warning', /30\.0 ms/, { roundTripMs: 30 }],
  ['database', false, /replica/, server({ isReplica: true })],
  ['commits', false, /is off/, server({ synchronousCommit: 'off' })],
  ['commits', false, /is local/, server({ synchronousCommit: 'local' })],
  ['disk', false, /fsync is off/, server({ fsync: 'off' })],
  ['disk', false, /full_page_writes off/, server({ fullPageWrites: 'off' })],
  ['autovacuum', false, /is off/, server({ autovacuum: 'off' })],
  ['autovacuum', false, /track_counts off/, server({ trackCounts: 'off' })],
  ['time zone', 'warning', /Europe\/Berlin/, server({ timeZone: 'Europe/Berlin' })],
  ['connections', 'warning', / 7 are left/, server({ connections: 90 })],
  ['clock', 'warning', /900 ms ahead of/, { clockOffsetMs: 900 }],
  ['clock', 'warning', /900 ms behind/, { clockOffsetMs: -900 }],
  ['migrations', false, /TransactionLog/, { lackingMigrations: ['TransactionLog'] }],
  ['rights', false, /DELETE on tercet\.branch/, { lackingRight: 'DELETE on tercet.branch' }],
  ['history', false, /for 1\.0 days/, history({ aheadMs: DAY_MS })],
  ['history', false, /history_default/, history({ isDefaultUsed: true })],
  [
    'nodes',
    'warning',
    /b \(silent for 9\.0 s, drives 3\)/,
    { nodes: [{ node: 'b', isDead: false, leftMs: -9000, owned: 3 }] },
  ],
  ['nodes', 'warning', /b \(gone, drives 3\)/, { nodes: [{ node: 'b', isDead: true, leftMs: 3000, owned: 3 }] }],
  ['backlog', 'warning', /^12000 unfinished: 12000 open/, work({ open: 12_000, committing: 0 })],
  [
    'oldest',
    'warning',
    /late has been aborting for 10 min/,
    work({ oldest: { gid: 'late', status: 'aborting', ageMs: 600_000 } }),
  ],
  ['parked', false, /: 2$/, work({ parked: 2 })],
])('%s: %s, %s', (name, ok, detail, over) => {
  const checks = databaseChecks({ ...right, ...over });
  expect(checks.filter((check) => check.ok !== true)).toEqual([
    { name, ok, detail: expect.stringMatching(detail), advice: expect.stringMatching(/\w/) },
  ]);
});

test('where nothing is late, that is right too', () => {
  const checks = databaseChecks({ ...right, ...work({ oldest: null }) });
  expect(checks.filter(({ ok }) => ok !== true)).toEqual([]);
});
