/** G8 when calls of one branch meet: the second waits for the first, not for long, and then knows what it did. */
import { fence, Refused } from '../../../src/client/index.js';
import type { Executor } from '../../../src/client/index.js';
import { sqlState } from '../../../src/platform/executor.js';
import { LOOK } from '../../../src/client/fence/statements.js';
import { branch, effects, held, KINDS, receive, startService, trace, UNDOINGS, waiting } from './service.js';
import type { Service } from './service.js';

const failure = new Error('the service ends');

describe.each(KINDS)('with %s', (kind) => {
  let service: Service;
  beforeAll(async () => (service = await startService(kind)));
  afterAll(() => service.stop());

  test('of two tries at the same time one runs, and both answer the same', async () => {
    const call = branch()('try');
    const first = held(service, call);
    await first.entered;
    const second = receive(service, call);
    await waiting(service);
    first.leave();
    expect(await second).toEqual(await first.answer);
    expect(await effects(service, call)).toEqual(['try']);
  });

  test('a try that waited for one that failed runs itself', async () => {
    const call = branch()('try');
    const first = held(service, call);
    await first.entered;
    const second = receive(service, call);
    await waiting(service);
    const failed = expect(first.answer).rejects.toBe(failure);
    first.leave(failure);
    await failed;
    expect(await second).toMatchObject({ kind: 'done', reply: { op: 'try' } });
    expect(await effects(service, call)).toEqual(['try']);
  });

  test.each(['confirm', 'cancel'] as const)(
    'of two calls of %s at the same time one runs, and both answer the same',
    async (op) => {
      const call = branch();
      await receive(service, call('try'));
      const first = held(service, call(op));
      await first.entered;
      const second = receive(service, call(op));
      await waiting(service);
      first.leave();
      expect(await second).toEqual(await first.answer);
      expect(await effects(service, call(op))).toEqual(['try', op]);
    },
  );

  test.each([
    ['confirm', 'cancel'],
    ['cancel', 'confirm'],
  ] as const)('a %s that wins lets the %s that waited for it fail with a code', async (winner, loser) => {
    const call = branch();
    await receive(service, call('try'));
    const first = held(service, call(winner));
    await first.entered;
    const second = expect(receive(service, call(loser))).rejects.toMatchObject({ code: 'TERCET_FENCE_ENDED' });
    await waiting(service);
    first.leave();
    await Promise.all([first.answer, second]);
    expect(await effects(service, call('try'))).toEqual(['try', winner]);
  });

  test.each(UNDOINGS)('when its open %s is overtaken by a %s, that waits, and undoes it', async (first, end) => {
    const call = branch();
    const trying = held(service, call(first));
    await trying.entered;
    const cancelling = receive(service, call(end));
    await waiting(service);
    trying.leave();
    await trying.answer;
    expect(await cancelling).toMatchObject({ reply: { op: end } });
    expect(await effects(service, call(first))).toEqual([first, end]);
  });

  test.each(UNDOINGS)(
    'where a %s failed, the %s that waited for it has nothing to undo, and the first may not come back',
    async (first, end) => {
      const call = branch();
      const trying = held(service, call(first));
      await trying.entered;
      const cancelling = receive(service, call(end));
      await waiting(service);
      const failed = expect(trying.answer).rejects.toBe(failure);
      trying.leave(failure);
      await failed;
      expect(await cancelling).toEqual({ kind: 'done', reply: null });
      await expect(receive(service, call(first))).rejects.toThrow(Refused);
      expect(await effects(service, call(first))).toEqual([]);
    },
  );

  test.each(UNDOINGS)(
    'a %s that meets the open transaction of a %s without it waits, and is refused',
    async (first, end) => {
      const call = branch();
      const cancelling = held(service, call(end));
      await cancelling.entered;
      const refused = expect(receive(service, call(first))).rejects.toThrow(Refused);
      await waiting(service);
      cancelling.leave();
      await Promise.all([refused, cancelling.answer]);
      expect(await effects(service, call(first))).toEqual([]);
    },
  );

  test.each(UNDOINGS)('many calls at once, of %s and %s, leave all or nothing', async (first, end) => {
    for (let round = 0; round < 10; round += 1) {
      const call = branch();
      const pair = round % 2 === 0 ? [first, end] : [end, first];
      const ops = [...pair, ...pair, ...pair, ...pair];
      const settled = await Promise.allSettled(ops.map((op) => receive(service, call(op))));
      const faults = settled.filter((result) => result.status === 'rejected' && !(result.reason instanceof Refused));
      expect(faults).toEqual([]);
      expect([[], [first, end]]).toContainEqual(await effects(service, call(first)));
    }
  });

  test.each([
    ['try', 'try'],
    ['try', 'cancel'],
    ['cancel', 'try'],
    ['action', 'action'],
    ['action', 'compensate'],
    ['compensate', 'action'],
  ] as const)(
    'while a %s keeps its transaction open, a %s waits no longer than its caller: 425, and ends nothing',
    async (op, other) => {
      const call = branch();
      const first = held(service, call(op));
      await first.entered;
      const second = receive(service, { ...call(other), timeoutMs: 100 });
      await expect(second).rejects.toMatchObject({ code: 'TERCET_FENCE_BUSY', status: 425 });
      first.leave();
      await first.answer;
      expect(await effects(service, call(op))).toEqual(op === 'try' || op === 'action' ? [op] : []);
    },
  );

  test('a confirm waits no longer than its caller either', async () => {
    const call = branch();
    await receive(service, call('try'));
    const first = held(service, call('confirm'));
    await first.entered;
    const second = receive(service, { ...call('confirm'), timeoutMs: 100 });
    await expect(second).rejects.toMatchObject({ code: 'TERCET_FENCE_BUSY', status: 425 });
    first.leave();
    expect(await receive(service, call('confirm'))).toEqual(await first.answer);
  });

  test('a confirm whose try commits between its statements is asked for again, not told that there was no try', async () => {
    const call = branch();
    const first = held(service, call('try'));
    await first.entered;
    const confirming = service.transaction(async (executor) => {
      const late: Executor = {
        async query(text, values) {
          if (text === LOOK) {
            first.leave();
            await first.answer;
          }
          return executor.query(text, values);
        },
      };
      return fence.run(late, call('confirm'), () => trace(executor, call('confirm')));
    });
    await expect(confirming).rejects.toMatchObject({ code: 'TERCET_FENCE_BUSY', status: 425 });
    await receive(service, call('confirm'));
    expect(await effects(service, call('try'))).toEqual(['try', 'confirm']);
  });

  test.each(['try', 'confirm', 'cancel'] as const)(
    'the work of a %s has the lock_timeout that its service set',
    async (op) => {
      const call = branch();
      if (op !== 'try') await receive(service, call('try'));
      const seen = await service.transaction(async (executor) => {
        await executor.query("SET LOCAL lock_timeout = '7s'");
        return fence.run(executor, call(op), async () => {
          const result = await executor.query("SELECT current_setting('lock_timeout') AS bound");
          return Array.isArray(result) ? (result as unknown[])[0] : (result as { rows: unknown[] }).rows[0];
        });
      });
      expect(seen).toEqual({ kind: 'done', reply: { bound: '7s' } });
    },
  );

  test('when the bound of the wait is over, nothing of it stays with the connection', async () => {
    const call = branch()('try');
    const first = held(service, call);
    await first.entered;
    const second = service.transaction(async (executor) => {
      await executor.query('SAVEPOINT before');
      const busy = fence.run(executor, { ...call, timeoutMs: 50 }, () => trace(executor, call));
      await expect(busy).rejects.toMatchObject({ code: 'TERCET_FENCE_BUSY' });
      await executor.query('ROLLBACK TO before');
      const result = await executor.query("SELECT current_setting('lock_timeout') AS bound");
      return Array.isArray(result) ? (result as unknown) : (result as { rows: unknown }).rows;
    });
    expect(await second).toEqual([{ bound: '0' }]);
    first.leave();
    await first.answer;
  });

  describe.each(['REPEATABLE READ', 'SERIALIZABLE'] as const)('under %s', (isolation) => {
    test('calls one after another do what they do under READ COMMITTED', async () => {
      const [paid, undone, never] = [branch(), branch(), branch()];
      const call = (...[which]: [Parameters<typeof receive>[1]]): ReturnType<typeof receive> =>
        receive(service, which, trace, isolation);
      const tried = await call(paid('try'));
      expect(await call(paid('try'))).toEqual(tried);
      expect(await call(paid('confirm'))).toEqual(await call(paid('confirm')));
      await expect(call(paid('cancel'))).rejects.toMatchObject({ code: 'TERCET_FENCE_ENDED' });
      await call(undone('try'));
      expect(await call(undone('cancel'))).toEqual(await call(undone('cancel')));
      expect(await call(never('cancel'))).toEqual({ kind: 'done', reply: null });
      await expect(call(never('try'))).rejects.toThrow(Refused);
      const all = await Promise.all([paid, undone, never].map((one) => effects(service, one('try'))));
      expect(all).toEqual([['try', 'confirm'], ['try', 'cancel'], []]);
    });

    test.each([
      ['try', 'try', ['try']],
      ['try', 'cancel', ['try', 'cancel']],
      ['cancel', 'try', []],
    ] as const)(
      'a %s that is met by a %s wins; that one fails, and is right when repeated',
      async (op, other, stays) => {
        const call = branch();
        const first = held(service, call(op), trace, isolation);
        await first.entered;
        const second = receive(service, call(other), trace, isolation);
        const failed = expect(second.catch(sqlState)).resolves.toBe('40001');
        await waiting(service);
        first.leave();
        await Promise.all([first.answer, failed]);
        await receive(service, call(other), trace, isolation).catch((error: unknown) => {
          if (!(error instanceof Refused)) throw error;
        });
        expect(await effects(service, call(op))).toEqual(stays);
      },
    );

    test('of two confirms at the same time the second fails, and when repeated gets the answer of the first', async () => {
      const call = branch();
      await receive(service, call('try'));
      const first = held(service, call('confirm'), trace, isolation);
      await first.entered;
      const second = receive(service, call('confirm'), trace, isolation);
      const failed = expect(second.catch(sqlState)).resolves.toBe('40001');
      await waiting(service);
      first.leave();
      await failed;
      expect(await receive(service, call('confirm'), trace, isolation)).toEqual(await first.answer);
      expect(await effects(service, call('try'))).toEqual(['try', 'confirm']);
    });
  });
});
