import { LogOutcomeUnknown, LogUnavailable } from '../../../src/engine/ports.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { Proxy } from '../../support/proxy.js';
import { DONE, EngineNode, request, Services, SETTLED, until } from './node.js';

const logger = { info() {}, warn() {}, error() {} };
const LEASE_MS = 1000;

let database: TestDatabase;
let proxy: Proxy;
let services: Services;
let node: EngineNode;
/** Looks at what is durable, whatever the network does. */
let witness: EngineNode;

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  proxy = await Proxy.start(database.url);
  witness = await EngineNode.start({ url: database.url, services: new Services(), node: 'witness' });
});

beforeEach(async () => {
  services = new Services();
  node = await EngineNode.start({ url: proxy.url, services, leaseMs: LEASE_MS });
});

afterEach(async () => {
  proxy.heal();
  await node.stop();
});

afterAll(async () => {
  await witness.stop();
  await proxy.stop();
  await database.drop();
});

test('while the log is away nothing is begun, and afterwards the same gid begins', async () => {
  proxy.silence();
  await until(() => node.coordinator.problems().length > 0);
  await expect(node.coordinator.begin(request('away', 2), SETTLED)).rejects.toBeInstanceOf(LogUnavailable);
  expect(services.asked).toEqual([]);
  expect(await witness.log.get('away')).toBeNull();
  proxy.heal();
  await until(() => node.coordinator.problems().length === 0);
  const { tx, begun } = await node.coordinator.begin(request('away', 2), SETTLED);
  expect({ begun, status: tx.status }).toEqual({ begun: true, status: 'committed' });
});

test('a begin whose answer was lost is driven to its end, though nobody asks again', async () => {
  // From here on it has its connection.
  await node.coordinator.begin(request('earlier', 1), SETTLED);
  proxy.loseAnswers();
  const lost = node.coordinator.begin(request('lost', 2), SETTLED);
  await expect(lost).rejects.toBeInstanceOf(LogOutcomeUnknown);
  expect((await witness.log.get('lost'))?.tx.status).toBe('open');
  proxy.heal();
  await until(async () => (await witness.log.get('lost'))?.tx.status === 'committed');
  const { begun } = await node.coordinator.begin(request('lost', 2), SETTLED);
  expect(begun).toBe(false);
});

test.each([
  ['committed', 'confirm', DONE],
  ['aborted', 'cancel', { kind: 'refused', reason: 'no' }],
] as const)('while a decision cannot be written nothing rests on it; then it is %s', async (status, op, last) => {
  const gid = `undecided-${status}`;
  // The log goes away while the branches are tried.
  services.answer = ({ op: asked, branchId }) => {
    if (asked === 'try') proxy.silence();
    return asked === 'try' && branchId === 'b1' ? last : DONE;
  };
  let isTold = false;
  const begun = node.coordinator.begin(request(gid, 2), { until: 'decided', ms: 60_000 });
  const told = begun.then(() => (isTold = true));
  await until(() => node.coordinator.problems().length > 0);
  expect(new Set(services.asked.map((asked) => asked.op))).toEqual(new Set(['try']));
  expect(isTold).toBe(false);
  expect((await witness.log.get(gid))?.tx.decision).toBeNull();
  services.answer = ({ op: asked, branchId }) => (asked === 'try' && branchId === 'b1' ? last : DONE);
  proxy.heal();
  await told;
  expect((await node.coordinator.get(gid, SETTLED)).status).toBe(status);
  for (const branchId of ['b0', 'b1']) expect(services.opsOf(gid, branchId).at(-1)).toBe(op);
  const kinds = (await witness.coordinator.timeline(gid)).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind !== 'call')).toEqual(['begun', 'decided', 'ended']);
});

test('cut again and again under load, it loses nothing that it accepted and decides everything once', async () => {
  const gids = Array.from({ length: 300 }, (_, index) => `load-${index}`);
  let cuts = 0;
  services.answer = async () => {
    // In the middle of everything, as often as it goes on.
    if (services.asked.length % 60 === 0 && cuts < 20) {
      cuts += 1;
      proxy.cut();
    }
    return DONE;
  };
  /** Asks until it is answered, as every client does. */
  const begin = async (gid: string): Promise<void> => {
    await until(() =>
      node.coordinator.begin(request(gid, 2), SETTLED).then(
        ({ reached }) => reached,
        (error: unknown) => {
          expect([LogUnavailable, LogOutcomeUnknown]).toContain((error as Error).constructor);
          return false;
        },
      ),
    );
  };
  await Promise.all(gids.map(begin));
  expect(cuts).toBe(20);
  for (const gid of gids) {
    const events = await witness.coordinator.timeline(gid);
    const kinds = events.map(({ kind }) => kind).filter((kind) => kind !== 'call');
    expect({ gid, kinds }).toEqual({ gid, kinds: ['begun', 'decided', 'ended'] });
    expect((await witness.log.get(gid))?.tx.status).toBe('committed');
    for (const branchId of ['b0', 'b1'])
      expect(services.opsOf(gid, branchId).join(' ')).toMatch(/^(try ?)+(confirm ?)+$/);
  }
});
