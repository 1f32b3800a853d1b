/** One transaction, once for each thing that can go wrong with each of its calls. */
import { DEFAULT_RETRY } from '../../protocol/words.js';
import type { TransactionView } from '../../protocol/words.js';
import type { BeginRequest } from '../requests.js';
import { TestCoordinator } from './coordinator.js';
import type { TestOptions } from './coordinator.js';
import { leftOver } from './effects.js';
import type { Fault, PlannedFault } from './faults.js';
import type { CallRecord } from './participants.js';
import { changesBetween, snapshotOf } from './state.js';
import type { Snapshot } from './state.js';

/** What each case begins with. */
export interface CrashWorld extends TestOptions {
  /** Needed here: whether nothing is left behind shows in it alone. */
  state: () => unknown;
  request: BeginRequest;
}

export interface CrashReport {
  /** How many were run, each all or nothing. */
  readonly cases: number;
  readonly committed: number;
  readonly aborted: number;
  /** How many more there were than `limit`. */
  readonly leftOut: number;
}

interface Case {
  readonly title: string;
  readonly faults: readonly PlannedFault[];
}

interface Run {
  readonly tx: TransactionView;
  readonly calls: readonly CallRecord[];
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly problems: readonly string[];
  readonly account: string;
}

const LIMIT = 1000;
const MAX_LISTED = 20;
/** Of what may not refuse: it is asked again. */
const FAILURES = 2;

/**
 * Runs the transaction undisturbed, then once for each call and fault: refused, its answers lost or the call itself,
 * once and for good, the coordinator killed before and after it. Where that aborts, once more for each cancel or
 * compensation and its faults. Each time everything must be as after the undisturbed run, or as before it.
 *
 * @param fresh makes components and a world of their own for each case, always the same
 * @param options `limit`: how many cases at most, default 1000
 * @throws Error that names each case that is not all or nothing, and tells the first one step by step
 */
export async function everyCrash(
  fresh: () => CrashWorld | Promise<CrashWorld>,
  { limit = LIMIT }: { limit?: number } = {},
): Promise<CrashReport> {
  const { components, request } = await fresh();
  const undisturbed = await runCase(fresh, [], null);
  const title = 'undisturbed';
  if (undisturbed.problems.length > 0) throw failure([{ title, run: undisturbed }], 1);
  if (undisturbed.tx.status === 'committed' && changesBetween(undisturbed.before, undisturbed.after).length === 0) {
    throw new Error('the transaction was committed and state() is as before: show in it what your components do');
  }
  const triesOf = ({ component, branchId }: Point): number => {
    const own = request.mode === 'saga' ? request.branches.find((branch) => branch.branchId === branchId) : undefined;
    return own?.retry?.tryAttempts ?? components[component]?.retry?.tryAttempts ?? DEFAULT_RETRY.tryAttempts;
  };
  const cases = pointsIn(undisturbed.calls).flatMap((point) => casesAt(point, triesOf(point), []));
  const ways = new Set<string>();
  const done: { title: string; run: Run }[] = [];
  for (let next = 0; next < Math.min(cases.length, limit); next += 1) {
    const { title, faults } = cases[next] as Case;
    const run = await runCase(fresh, faults, undisturbed);
    done.push({ title, run });
    const undone = pointsIn(run.calls).filter(({ op }) => op === 'cancel' || op === 'compensate');
    const way = undone.map(({ branchId, ran }) => `${branchId} ${ran}`).join();
    if (faults.length > 1 || undone.length === 0 || ways.has(way)) continue;
    ways.add(way);
    cases.push(...undone.flatMap((point) => casesAt(point, 1, [{ title, faults }])));
  }
  const broken = done.filter(({ run }) => run.problems.length > 0);
  if (broken.length > 0) throw failure(broken, done.length);
  return {
    cases: done.length,
    committed: done.filter(({ run }) => run.tx.status === 'committed').length,
    aborted: done.filter(({ run }) => run.tx.status === 'aborted').length,
    leftOut: cases.length - done.length,
  };
}

async function runCase(
  fresh: () => CrashWorld | Promise<CrashWorld>,
  faults: readonly PlannedFault[],
  undisturbed: Run | null,
): Promise<Run> {
  const { request, ...options } = await fresh();
  const tercet = new TestCoordinator(options);
  for (const fault of faults) tercet.plan(fault);
  const before = snapshotOf(options.state());
  const [odd] = undisturbed ? changesBetween(undisturbed.before, before) : [];
  if (odd) throw new Error(`each case must begin alike: ${odd.path} is ${odd.after}, and was ${odd.before} at first`);
  const tx = await tercet.run(request);
  const after = snapshotOf(options.state());
  const calls = tercet.calls();
  const problems = tercet.problems();
  if (undisturbed && tx.status === 'committed') problems.push(...leftOver(undisturbed.after, after, calls));
  return { tx, calls, before, after, problems, account: tercet.account() };
}

type Point = Pick<CallRecord, 'component' | 'branchId' | 'op' | 'ran'>;

/** Each operation of each branch, as it was first called. */
function pointsIn(calls: readonly CallRecord[]): Point[] {
  const points = new Map<string, Point>();
  for (const call of calls) {
    const key = `${call.branchId}/${call.op}`;
    if (!points.has(key)) points.set(key, call);
  }
  return [...points.values()];
}

function casesAt(point: Point, tries: number, causes: readonly Case[]): Case[] {
  const { component, branchId, op } = point;
  const isFirst = op === 'try' || op === 'action';
  const timeout = (takesEffect: boolean): Fault => ({ kind: 'timeout', takesEffect });
  const of = (what: string, fault: Fault, times = 1): Case => ({
    title: [...causes.map(({ title }) => title), `${op} of '${branchId}' ${what}`].join(', then '),
    faults: [...causes.flatMap(({ faults }) => faults), { component, branchId, op, fault, times }],
  });
  return [
    isFirst || op === 'check'
      ? of('is refused', { kind: 'refused', reason: 'refused by everyCrash' })
      : of(`fails ${FAILURES} times`, { kind: 'failed', detail: '500' }, FAILURES),
    of('has its effect, and its answer gets lost', timeout(true)),
    of('gets lost', timeout(false)),
    ...(isFirst
      ? [
          of('has its effect, and all its answers get lost', timeout(true), tries),
          of('gets lost each time', timeout(false), tries),
        ]
      : []),
    of('is about to leave when the coordinator is killed', { kind: 'crash', when: 'before' }),
    of('was answered when the coordinator is killed', { kind: 'crash', when: 'after' }),
  ];
}

function failure(broken: readonly { title: string; run: Run }[], total: number): Error {
  const listed = broken
    .slice(0, MAX_LISTED)
    .map(({ title, run }) => [title, ...run.problems.map((problem) => `  - ${problem}`)].join('\n'));
  if (broken.length > MAX_LISTED) listed.push(`and ${broken.length - MAX_LISTED} more`);
  const [first] = broken;
  const told = first ? [`${first.title}, step by step:\n${first.run.account}`] : [];
  return new Error([`${broken.length} of ${total} cases are not all or nothing`, ...listed, ...told].join('\n\n'));
}
