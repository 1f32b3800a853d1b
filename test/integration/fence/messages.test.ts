/** G9 in the service's own database: what a check answers is so, and stays so, whenever it comes. */
import { fence, Pending } from '../../../src/client/index.js';
import type { CheckAnswer } from '../../../src/client/index.js';
import { sqlState } from '../../../src/platform/executor.js';
import { branch, effects, hold, KINDS, receive, recorded, startService, trace, waiting } from './service.js';
import type { Call, Held, Isolation, Service } from './service.js';

const ROLLED_BACK = { kind: 'rolled back', reason: 'the local transaction did not commit' } as const;
const COMMITTED = { kind: 'committed' } as const;
const HOUR_MS = 3_600_000;
const failure = new Error('the process ends');

describe.each(KINDS)('with %s', (kind) => {
  let service: Service;
  beforeAll(async () => (service = await startService(kind)));
  afterAll(() => service.stop());

  const message = (over?: { agoMs: number }): Call => branch(over)('check');
  const check = (call: Call): Promise<CheckAnswer> => service.transaction((executor) => fence.check(executor, call));
  /** The local transaction: whether its work ran. */
  const local = (call: Call, isolation?: Isolation): Promise<boolean> =>
    service.transaction(async (executor) => {
      const isFirst = await fence.local(executor, call);
      if (isFirst) await trace(executor, call);
      return isFirst;
    }, isolation);
  const open = (call: Call, isolation?: Isolation): Omit<Held, 'answer'> & { answer: Promise<void> } =>
    hold(
      service,
      async (executor) => {
        await fence.local(executor, call);
        await trace(executor, call);
      },
      isolation,
    );

  test('a check before the local transaction began: rolled back, and its work never runs', async () => {
    const call = message();
    expect(await check(call)).toEqual(ROLLED_BACK);
    for (let time = 0; time < 2; time += 1) {
      await expect(local(call)).rejects.toMatchObject({ code: 'TERCET_MESSAGE_ROLLED_BACK', status: 409 });
    }
    expect(await effects(service, call)).toEqual([]);
    expect(await check(call)).toEqual(ROLLED_BACK);
  });

  test('a check after the commit: committed, each time', async () => {
    const call = message();
    expect(await local(call)).toBe(true);
    expect([await check(call), await check(call)]).toEqual([COMMITTED, COMMITTED]);
    expect(await effects(service, call)).toEqual(['check']);
  });

  test('a check after the rollback: rolled back, and nothing commits under the gid any more', async () => {
    const call = message();
    const working = open(call);
    await working.entered;
    const failed = expect(working.answer).rejects.toBe(failure);
    working.leave(failure);
    await failed;
    expect(await check(call)).toEqual(ROLLED_BACK);
    await expect(local(call)).rejects.toMatchObject({ code: 'TERCET_MESSAGE_ROLLED_BACK' });
  });

  test.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const)(
    'a check waits for an open local transaction (%s), and says what became of it',
    async (isolation) => {
      for (const [end, answer] of [
        [undefined, COMMITTED],
        [failure, ROLLED_BACK],
      ] as const) {
        const call = message();
        const working = open(call, isolation);
        await working.entered;
        const checking = check(call);
        await waiting(service);
        const settled = working.answer.catch(() => undefined);
        working.leave(end);
        await settled;
        expect(await checking).toEqual(answer);
        expect(await effects(service, call)).toEqual(end ? [] : ['check']);
      }
    },
  );

  test('a check that waited as long as it may answers 425, and leaves the local transaction alone', async () => {
    const call = message();
    const working = open(call);
    await working.entered;
    await expect(check({ ...call, timeoutMs: 100 })).rejects.toMatchObject({
      code: 'TERCET_FENCE_BUSY',
      status: 425,
      detail: expect.stringContaining('within 50 ms') as string,
    });
    working.leave();
    await working.answer;
    expect(await check(call)).toEqual(COMMITTED);
  });

  test('two checks at once answer the same', async () => {
    const call = message();
    const first = hold(service, (executor) => fence.check(executor, call));
    await first.entered;
    const second = check(call);
    await waiting(service);
    first.leave();
    expect([await first.answer, await second]).toEqual([ROLLED_BACK, ROLLED_BACK]);
  });

  test('a local transaction that meets an open check waits for it, and does not work', async () => {
    const call = message();
    const checking = hold(service, (executor) => fence.check(executor, call));
    await checking.entered;
    const working = expect(local(call)).rejects.toMatchObject({ code: 'TERCET_MESSAGE_ROLLED_BACK' });
    await waiting(service);
    checking.leave();
    await Promise.all([working, checking.answer]);
    expect(await effects(service, call)).toEqual([]);
  });

  test('a check that fails before it commits has answered nothing: the local transaction may go on', async () => {
    const call = message();
    const checking = hold(service, (executor) => fence.check(executor, call));
    await checking.entered;
    const working = local(call);
    await waiting(service);
    const failed = expect(checking.answer).rejects.toBe(failure);
    checking.leave(failure);
    await failed;
    expect(await working).toBe(true);
    expect(await check(call)).toEqual(COMMITTED);
  });

  test.each(['REPEATABLE READ', 'SERIALIZABLE'] as const)(
    '%s: a local transaction whose snapshot is older than the check fails, and does not work',
    async (isolation) => {
      const call = message();
      const late = service.transaction(async (executor) => {
        await executor.query('SELECT count(*) FROM effect');
        await check(call);
        await fence.local(executor, call);
        await trace(executor, call);
      }, isolation);
      await expect(late.catch(sqlState)).resolves.toBe('40001');
      expect(await effects(service, call)).toEqual([]);
      await expect(local(call, isolation)).rejects.toMatchObject({ code: 'TERCET_MESSAGE_ROLLED_BACK' });
    },
  );

  test('the work of a message that has committed does not run again', async () => {
    const call = message();
    expect([await local(call), await local(call)]).toEqual([true, false]);
    expect(await effects(service, call)).toEqual(['check']);
  });

  test('what was purged is neither committed nor rolled back, and no work begins for it', async () => {
    const call = message({ agoMs: 3 * HOUR_MS });
    await local(call);
    await service.transaction((executor) => fence.purge(executor, new Date(Date.now() - 2 * HOUR_MS)));
    await expect(check(call)).rejects.toMatchObject({ code: 'TERCET_FENCE_PURGED', status: 500 });
    await expect(local(call)).rejects.toMatchObject({ code: 'TERCET_MESSAGE_ROLLED_BACK' });
    expect([await effects(service, call), await recorded(service, call)]).toEqual([['check'], undefined]);
  });

  test('without an open transaction neither side records anything, and both say so', async () => {
    const call = message();
    for (const one of [fence.local(service.pool, call), fence.check(service.pool, call)]) {
      await expect(one).rejects.toMatchObject({ code: 'TERCET_FENCE_MISUSED' });
    }
    expect(await recorded(service, call)).toBeUndefined();
  });

  test('fence.run takes no check: there is no work to do for one', async () => {
    await expect(receive(service, message())).rejects.toMatchObject({ code: 'TERCET_FENCE_MISUSED' });
  });

  test('a delivery takes effect once, and again it gets the same answer', async () => {
    const call = branch()('deliver');
    const first = await receive(service, call);
    expect(await receive(service, call)).toEqual(first);
    expect(await effects(service, call)).toEqual(['deliver']);
  });

  test('a delivery that failed takes effect when it comes again', async () => {
    const call = branch()('deliver');
    await expect(receive(service, call, () => Promise.reject(failure))).rejects.toBe(failure);
    await receive(service, call);
    expect(await effects(service, call)).toEqual(['deliver']);
  });

  test('a delivery that goes on after its call ends once, and cannot end with a refusal', async () => {
    const call = branch()('deliver');
    await receive(service, call, () => Promise.resolve(new Pending()));
    expect(await receive(service, call)).toEqual({ kind: 'pending', retryAfterMs: null });
    const refusing = service.transaction((executor) => fence.refuse(executor, call, 'no'));
    await expect(refusing).rejects.toMatchObject({ code: 'TERCET_FENCE_MISUSED' });
    await service.transaction((executor) => fence.complete(executor, call, 'sent'));
    expect(await receive(service, call)).toEqual({ kind: 'done', reply: 'sent' });
  });

  test('a delivery from before the horizon is not taken for new', async () => {
    await service.transaction((executor) => fence.purge(executor, new Date(Date.now() - 2 * HOUR_MS)));
    const call = branch({ agoMs: 3 * HOUR_MS })('deliver');
    await expect(receive(service, call)).rejects.toMatchObject({ code: 'TERCET_FENCE_PURGED' });
    expect(await effects(service, call)).toEqual([]);
  });
});
