/** What the engine tells whoever watches: each durable fact once, by the node that made it so. */
import type { Observer } from '../../../src/engine/ports.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { Proxy } from '../../support/proxy.js';
import { ACCEPTED, DONE, EngineNode, request, sagaRequest, Services, SETTLED, UNKNOWN, until } from './node.js';
import type { NodeOptions } from './node.js';

const logger = { info() {}, warn() {}, error() {} };
const NO = { kind: 'refused', reason: 'no' } as const;

/** Writes down what it is told. */
class Witness implements Required<Observer> {
  readonly heard: string[] = [];
  begun: Required<Observer>['begun'] = (tx) => this.note(`begun ${tx.gid}`);
  decided: Required<Observer>['decided'] = (tx) => {
    const reason = tx.reason ? ` ${tx.reason.kind}` : '';
    this.note(`decided ${tx.gid} ${tx.decision}${reason} at ${typeof tx.decidedAt}`);
  };
  answered: Required<Observer>['answered'] = ({ tx, branch, op, attempt, outcome, durationMs }) => {
    expect(durationMs).toBeGreaterThanOrEqual(0);
    this.note(`answered ${tx.gid} ${branch.branchId} ${op} ${attempt} ${outcome.kind}`);
  };
  parked: Required<Observer>['parked'] = (tx) => this.note(`parked ${tx.gid} ${tx.parked?.branchId}`);
  ended: Required<Observer>['ended'] = (tx) => this.note(`ended ${tx.gid} ${tx.status}`);
  saveLost: Required<Observer>['saveLost'] = (tx) => this.note(`saveLost ${tx.gid}`);
  leaseLost: Required<Observer>['leaseLost'] = () => this.note('leaseLost');
  tookOver: Required<Observer>['tookOver'] = (taken) => this.note(`tookOver ${taken.map(({ gid }) => gid).join(' ')}`);

  of(word: string): string[] {
    return this.heard.filter((line) => line.split(' ').includes(word));
  }

  private note(line: string): void {
    this.heard.push(line);
  }
}

let database: TestDatabase;
const opened: EngineNode[] = [];

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
});

afterEach(async () => {
  for (const node of opened.splice(0)) await node.stop();
});

afterAll(() => database.drop());

async function start(options: Partial<NodeOptions> & Pick<NodeOptions, 'services'>): Promise<EngineNode> {
  const node = await EngineNode.start({ url: database.url, ...options });
  opened.push(node);
  return node;
}

test('the decision of forward recovery is told with the begin', async () => {
  const witness = new Witness();
  const node = await start({ services: new Services(), observers: [witness] });
  const asked = sagaRequest('forward', 1);
  await node.coordinator.begin({ ...asked, saga: { recovery: 'forward', parallel: 1 } }, SETTLED);
  expect(witness.heard).toEqual([
    'begun forward',
    'decided forward commit at number',
    'answered forward b0 action 1 done',
    'ended forward committed',
  ]);
});

test('a transaction is told from begin to end, each fact once, and again by nobody who repeats it', async () => {
  const witness = new Witness();
  const node = await start({ services: new Services(), observers: [witness] });
  await node.coordinator.begin(request('told', 1), SETTLED);
  await node.coordinator.begin(request('told', 1), SETTLED);
  expect(witness.heard).toEqual([
    'begun told',
    'answered told b0 try 1 done',
    'decided told commit at number',
    'answered told b0 confirm 1 done',
    'ended told committed',
  ]);
});

test('an abort is told as decided, with its reason, then as ended', async () => {
  const witness = new Witness();
  const node = await start({ services: new Services(({ op }) => (op === 'try' ? NO : DONE)), observers: [witness] });
  await node.coordinator.begin(request('refused', 1), SETTLED);
  expect(witness.heard.slice(1).filter((line) => !line.startsWith('answered'))).toEqual([
    'decided refused abort refused at number',
    'ended refused aborted',
  ]);
});

test('a decision from outside is told by the node that was asked, and by no other', async () => {
  const [asked, other] = [new Witness(), new Witness()];
  const services = new Services();
  const south = await start({ services, observers: [other], node: 'south' });
  const north = await start({ services, observers: [asked] });
  await south.coordinator.begin(request('outside', 0, { drive: 'initiator' }), ACCEPTED);
  await north.coordinator.abort('outside', null, SETTLED);
  await north.coordinator.abort('outside', null, SETTLED);
  expect(asked.heard).toEqual(['decided outside abort requested at number', 'ended outside aborted']);
  expect(other.heard).toEqual(['begun outside']);
});

test('what is given up is told as parked', async () => {
  const witness = new Witness();
  const services = new Services(({ op }) => (op === 'confirm' ? UNKNOWN : DONE));
  const node = await start({ services, observers: [witness], retry: { maxAttempts: 2 } });
  await node.coordinator.begin(request('stuck', 1), SETTLED);
  expect(witness.heard.slice(-3)).toEqual([
    'answered stuck b0 confirm 1 unknown',
    'answered stuck b0 confirm 2 unknown',
    'parked stuck b0',
  ]);
  services.answer = () => DONE;
  await node.coordinator.operator.act('stuck', 'resume', { reason: 'repaired', who: 'me' });
  await node.coordinator.get('stuck', SETTLED);
  expect(witness.of('parked')).toHaveLength(1);
  expect(witness.heard.at(-1)).toBe('ended stuck committed');
});

test('a decision whose write was answered by nobody is told once all the same', async () => {
  const proxy = await Proxy.start(database.url);
  const witness = new Witness();
  const services = new Services(({ op }) => {
    if (op === 'try') proxy.loseAnswers();
    return DONE;
  });
  const node = await start({ url: proxy.url, services, observers: [witness], leaseMs: 1000 });
  await node.coordinator.begin(request('unheard', 1), ACCEPTED);
  const looker = await start({ services: new Services(), node: 'looker' });
  await until(async () => (await looker.log.get('unheard'))?.tx.decision === 'commit');
  expect(witness.of('decided')).toEqual([]);
  services.answer = () => DONE;
  proxy.heal();
  await until(() => witness.of('ended').length > 0);
  expect(witness.of('decided')).toEqual(['decided unheard commit at number']);
  for (const running of opened.splice(0)) await running.stop();
  await proxy.stop();
});

test('who takes over says so, and does not tell again what the dead one decided, who tells nothing more', async () => {
  const [dead, living] = [new Witness(), new Witness()];
  let answer = (): void => {};
  const services = new Services(({ node, op }) =>
    node === 'north' && op === 'confirm' ? new Promise((resolve) => (answer = () => resolve(DONE))) : DONE,
  );
  const north = await start({ services, observers: [dead] });
  await north.coordinator.begin(request('orphan', 1), { until: 'decided', ms: 60_000 });
  await until(() => services.opsOf('orphan', 'b0').includes('confirm'));
  for (const node of opened.splice(0)) await node.stop();
  answer();
  const south = await start({ services, observers: [living], node: 'south' });
  await until(() => living.of('ended').length > 0);
  expect(dead.of('confirm')).toEqual([]);
  expect(dead.of('decided')).toHaveLength(1);
  expect(living.heard).toEqual(['tookOver orphan', 'answered orphan b0 confirm 1 done', 'ended orphan committed']);
  expect((await south.log.get('orphan'))?.tx.status).toBe('committed');
});

test('an observer that throws disturbs neither the engine nor the others', async () => {
  const witness = new Witness();
  const fail = (): never => {
    throw new Error('a bad observer');
  };
  const bad: Observer = { begun: fail, decided: fail, answered: fail, ended: fail };
  const node = await start({ services: new Services(), observers: [bad, witness] });
  const { tx } = await node.coordinator.begin(request('undisturbed', 2), SETTLED);
  expect(tx.status).toBe('committed');
  expect(witness.heard.at(-1)).toBe('ended undisturbed committed');
});
