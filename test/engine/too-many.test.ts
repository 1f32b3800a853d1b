/** A node takes on no more than it can drive: docs/wire.md, section 2. Over the log in memory, for they are many. */
import { Coordinator } from '../../src/engine/coordinator.js';
import type { BeginRequest } from '../../src/engine/begin.js';
import { SystemClock } from '../../src/system-clock.js';
import { MemoryLog } from '../simulation/memory-log.js';

const LIMIT = 20_000;
const accepted = { until: 'accepted', ms: 0 } as const;

test('the 20001st unfinished transaction is refused, a known one answered, and one taken when another has ended', async () => {
  const clock = new SystemClock(() => 0);
  const nobody = (): never => {
    throw new Error('nobody is to be called');
  };
  const coordinator = new Coordinator({
    log: new MemoryLog(clock),
    components: { get: () => undefined, find: async () => undefined },
    participants: { call: nobody, prepare: nobody },
    clock,
    logger: { info() {}, warn() {}, error() {} },
    node: 'n',
    leaseMs: 60_000,
  });
  await coordinator.start();
  const request = (gid: string): BeginRequest => ({
    gid,
    contentHash: 'h',
    mode: 'tcc',
    drive: 'initiator',
    businessKey: null,
    deadlineMs: 3_600_000,
    branches: [],
  });
  try {
    for (let index = 0; index < LIMIT; index += 1) {
      expect((await coordinator.begin(request(`g-${index}`), accepted)).begun).toBe(true);
    }
    await expect(coordinator.begin(request('one more'), accepted)).rejects.toMatchObject({
      status: 429,
      code: 'TERCET_TRANSACTIONS_TOO_MANY',
      detail: expect.stringContaining(`${LIMIT} transactions`),
    });
    await expect(coordinator.get('one more', null)).rejects.toMatchObject({ status: 404 });
    expect((await coordinator.begin(request('g-7'), accepted)).begun).toBe(false);

    await coordinator.submit('g-7', { until: 'settled', ms: 10_000 });
    expect((await coordinator.begin(request('one more'), accepted)).begun).toBe(true);
  } finally {
    await coordinator.drain(10_000);
  }
});
