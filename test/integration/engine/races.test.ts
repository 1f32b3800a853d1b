import type { Waiting } from '../../../src/engine/waiting.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { TercetError } from '../../../src/protocol/errors.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { ACCEPTED, EngineNode, newBranch, request, Services, SETTLED } from './node.js';

const logger = { info() {}, warn() {}, error() {} };
const ROUNDS = 300;
const AT_ONCE = 20;
/** What is raced lies within it, ms. */
const SPREAD_MS = 25;
const DECIDED: Waiting = { until: 'decided', ms: 60_000 };

let database: TestDatabase;
let nodes: readonly EngineNode[];
const services = new Services();

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  const start = (node: string) => EngineNode.start({ url: database.url, services, node });
  nodes = [await start('north'), await start('south')];
});

afterAll(async () => {
  for (const node of nodes) await node.stop();
  await database.drop();
});

type Told = 'commit' | 'abort' | null;

/** What a submit or abort was told: the decision that it got, or the other one where that was there first. */
async function told(wanted: 'commit' | 'abort', asking: Promise<unknown>): Promise<Told> {
  try {
    await asking;
    return wanted;
  } catch (error) {
    expect(error).toMatchObject({ code: 'TERCET_TRANSACTION_DECIDED' });
    return wanted === 'commit' ? 'abort' : 'commit';
  }
}

/** Whether the branch is in; not, when the decision came first. */
async function joined(registering: Promise<unknown>): Promise<boolean> {
  try {
    await registering;
    return true;
  } catch (error) {
    expect(error instanceof TercetError && error.code).toBe('TERCET_TRANSACTION_DECIDED');
    return false;
  }
}

function atSomeTime<T>(run: (node: EngineNode) => Promise<T>): Promise<T> {
  const node = nodes[Math.floor(Math.random() * nodes.length)]!;
  return new Promise((resolve, reject) => {
    setTimeout(() => void run(node).then(resolve, reject), Math.random() * SPREAD_MS);
  });
}

async function round(gid: string): Promise<'commit' | 'abort' | null> {
  const deadlineMs = Math.random() < 0.5 ? 60_000 : 1 + Math.floor(Math.random() * SPREAD_MS);
  const [north, south] = nodes as [EngineNode, EngineNode];
  await north.coordinator.begin(request(gid, 1, { drive: 'initiator', deadlineMs }), ACCEPTED);
  const names = ['x', 'y', 'z'];
  const [ins, ...answers] = await Promise.all([
    Promise.all(names.map((name) => joined(atSomeTime((node) => node.coordinator.register(gid, newBranch(name)))))),
    told(
      'commit',
      atSomeTime((node) => node.coordinator.submit(gid, DECIDED)),
    ),
    told(
      'commit',
      atSomeTime((node) => node.coordinator.submit(gid, ACCEPTED)),
    ),
    told(
      'abort',
      atSomeTime((node) => node.coordinator.abort(gid, null, DECIDED)),
    ),
  ]);
  const ended = await south.coordinator.get(gid, SETTLED);
  const { decision, branches } = ended;
  expect({ gid, status: ended.status }).toEqual({ gid, status: decision === 'commit' ? 'committed' : 'aborted' });
  expect({ gid, answers }).toEqual({ gid, answers: [decision, decision, decision] });
  expect({ gid, names: branches.map(({ branchId }) => branchId).sort() }).toEqual({
    gid,
    names: ['b0', ...names.filter((_, index) => ins[index])],
  });
  const [state, op] = decision === 'commit' ? ['confirmed', 'confirm'] : ['cancelled', 'cancel'];
  for (const branch of branches) {
    expect({ gid, ...branch }).toMatchObject({ state });
    expect({ gid, ops: new Set(services.opsOf(gid, branch.branchId)) }).toEqual({ gid, ops: new Set([op]) });
  }
  const events = await south.coordinator.timeline(gid);
  expect({ gid, decided: events.filter(({ kind }) => kind === 'decided').length }).toEqual({ gid, decided: 1 });
  return decision;
}

test('submit, abort, deadline and register race on two nodes: one decision, which covers every branch', async () => {
  let next = 0;
  const decisions: Told[] = [];
  const race = async (): Promise<void> => {
    while (next < ROUNDS) decisions.push(await round(`round-${(next += 1)}`));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, race));
  // Both came first often enough to have been a race.
  for (const decision of ['commit', 'abort']) {
    expect(decisions.filter((each) => each === decision).length).toBeGreaterThan(ROUNDS / 10);
  }
});
