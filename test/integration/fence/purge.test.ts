/** G8 when the fence forgets: what is older than the horizon is never taken for new. */
import { fence, Refused } from '../../../src/client/index.js';
import { sqlState } from '../../../src/platform/executor.js';
import { branch, effects, held, hold, KINDS, receive, recorded, startService, trace, waiting } from './service.js';
import type { Call, Isolation, Service } from './service.js';

const HOUR_MS = 3_600_000;
const OLD = { agoMs: 3 * HOUR_MS };

/** What a call for a purged branch gets. */
const ANSWERS = {
  try: { reason: 'the transaction is too old to begin work for' },
  action: { reason: 'the transaction is too old to begin work for' },
  confirm: { code: 'TERCET_FENCE_PURGED', status: 500 },
  cancel: { code: 'TERCET_FENCE_PURGED', status: 500 },
  compensate: { code: 'TERCET_FENCE_PURGED', status: 500 },
} as const;
const OPS = Object.keys(ANSWERS) as (keyof typeof ANSWERS)[];

describe.each(KINDS)('with %s', (kind) => {
  let service: Service;
  // Each test has a horizon of its own.
  beforeEach(async () => (service = await startService(kind)));
  afterEach(() => service.stop());

  const horizon = (): Date => new Date(Date.now() - 2 * HOUR_MS);
  const purge = (olderThan = horizon(), options?: { limit: number }): Promise<number> =>
    service.transaction((executor) => fence.purge(executor, olderThan, options));
  /** A branch with its try, older than the horizon. */
  const oldBranch = async (first: Call['op'] = 'try'): Promise<(op: Call['op']) => Call> => {
    const call = branch(OLD);
    await receive(service, call(first));
    return call;
  };
  const firstOf = (op: Call['op']): Call['op'] => (op === 'action' || op === 'compensate' ? 'action' : 'try');

  test('purge removes what began before the horizon, and no other row', async () => {
    const old = await oldBranch();
    const young = branch({ agoMs: HOUR_MS });
    await receive(service, young('try'));
    expect(await purge()).toBe(1);
    expect([await recorded(service, old('try')), await recorded(service, young('try'))]).toEqual([
      undefined,
      { op: 'try', state: 'done' },
    ]);
    await receive(service, young('confirm'));
    await receive(service, branch({ agoMs: HOUR_MS })('try'));
    expect(await receive(service, branch({ agoMs: HOUR_MS })('cancel'))).toEqual({ kind: 'done', reply: null });
  });

  test('a transaction that began exactly at the horizon is kept', async () => {
    const call = branch(OLD)('try');
    await receive(service, call);
    expect(await purge(new Date(call.beganAt))).toBe(0);
    await receive(service, { ...call, op: 'confirm' });
    await receive(service, { ...call, branchId: 'inventory' });
  });

  test.each(OPS)('a %s for a purged branch is never taken for new', async (op) => {
    const call = await oldBranch(firstOf(op));
    await purge();
    for (let time = 0; time < 2; time += 1) await expect(receive(service, call(op))).rejects.toMatchObject(ANSWERS[op]);
    expect([await effects(service, call(op)), await recorded(service, call(op))]).toEqual([[firstOf(op)], undefined]);
  });

  test('a late try and its cancel for a transaction before the horizon are refused, though nothing was ever here', async () => {
    await purge();
    const call = branch(OLD);
    await expect(receive(service, call('try'))).rejects.toThrow(Refused);
    await expect(receive(service, call('cancel'))).rejects.toMatchObject(ANSWERS.cancel);
    expect(await effects(service, call('try'))).toEqual([]);
  });

  test('an old branch whose row was left is served as ever', async () => {
    await oldBranch();
    const call = await oldBranch();
    expect(await purge(horizon(), { limit: 1 })).toBe(1);
    const tried = await receive(service, call('try'));
    await receive(service, call('confirm'));
    expect(await receive(service, call('try'))).toEqual(tried);
    expect(await effects(service, call('try'))).toEqual(['try', 'confirm']);
  });

  test('the horizon never goes back', async () => {
    const call = await oldBranch();
    await purge();
    await purge(new Date(Date.now() - 4 * HOUR_MS));
    await expect(receive(service, call('try'))).rejects.toThrow(Refused);
  });

  test('a purge removes at most so many rows, and says how many', async () => {
    for (let count = 0; count < 3; count += 1) await oldBranch();
    expect([await purge(horizon(), { limit: 2 }), await purge(horizon(), { limit: 2 }), await purge()]).toEqual([
      2, 1, 0,
    ]);
  });

  test.each([new Date(Date.now() + HOUR_MS), new Date(Number.NaN)])(
    'no horizon may be set to %s',
    async (olderThan) => {
      await expect(purge(olderThan)).rejects.toThrow(RangeError);
      await receive(service, branch()('try'));
    },
  );

  test.each(OPS)('a %s that comes while its row is being purged waits, and is not taken for new', async (op) => {
    const call = await oldBranch(firstOf(op));
    const purging = hold(service, (executor) => fence.purge(executor, horizon()));
    await purging.entered;
    const refused = expect(receive(service, call(op))).rejects.toMatchObject(ANSWERS[op]);
    await waiting(service);
    purging.leave();
    await Promise.all([refused, purging.answer]);
    expect(await effects(service, call(op))).toEqual([firstOf(op)]);
  });

  test('a purge that fails leaves the branch as it was, also for a call that waited', async () => {
    const call = await oldBranch();
    const purging = hold(service, (executor) => fence.purge(executor, horizon()));
    await purging.entered;
    const cancelling = receive(service, call('cancel'));
    await waiting(service);
    const failed = expect(purging.answer).rejects.toThrow('no power');
    purging.leave(new Error('no power'));
    await failed;
    expect(await cancelling).toMatchObject({ reply: { op: 'cancel' } });
    expect(await effects(service, call('try'))).toEqual(['try', 'cancel']);
  });

  test.each(['confirm', 'cancel'] as const)('a purge leaves alone the row that a %s is using', async (op) => {
    const call = await oldBranch();
    const using = held(service, call(op));
    await using.entered;
    expect(await purge()).toBe(0);
    using.leave();
    expect(await receive(service, call(op))).toEqual(await using.answer);
    expect(await purge()).toBe(1);
  });

  test('a try that began before the purge and commits after it stays known', async () => {
    const call = branch(OLD);
    const trying = held(service, call('try'));
    await trying.entered;
    await purge();
    trying.leave();
    await trying.answer;
    await receive(service, call('cancel'));
    expect(await effects(service, call('try'))).toEqual(['try', 'cancel']);
  });

  test.each([
    ['REPEATABLE READ', 'try'],
    ['REPEATABLE READ', 'cancel'],
    ['SERIALIZABLE', 'try'],
  ] as const)(
    '%s: a %s whose snapshot is older than the purge fails, to be repeated',
    async (isolation: Isolation, op) => {
      const call = await oldBranch();
      const late = service.transaction(async (executor) => {
        await executor.query('SELECT count(*) FROM effect');
        await purge();
        return fence.run(executor, call(op), () => trace(executor, call(op)));
      }, isolation);
      await expect(late.catch(sqlState)).resolves.toBe('40001');
      await expect(receive(service, call(op), trace, isolation)).rejects.toMatchObject(ANSWERS[op]);
      expect(await effects(service, call(op))).toEqual(['try']);
    },
  );
});
