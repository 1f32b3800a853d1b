/** G8 where the work outlives its call: it ends through the fence, and a cancel that came meanwhile wins. */
import { fence, Pending, Refused } from '../../../src/client/index.js';
import {
  branch,
  effects,
  hold,
  held,
  KINDS,
  receive,
  recorded,
  startService,
  trace,
  UNDOINGS,
  waiting,
} from './service.js';
import type { Call, Service, Work } from './service.js';

/** Begins work, and says that it goes on. */
const begin: Work = async (executor, call) => {
  await trace(executor, call);
  return new Pending(250);
};

describe.each(KINDS)('with %s', (kind) => {
  let service: Service;
  beforeAll(async () => (service = await startService(kind)));
  afterAll(() => service.stop());

  const complete = (call: Call, reply?: unknown): Promise<void> =>
    service.transaction(async (executor) => {
      await executor.query('INSERT INTO effect (gid, what) VALUES ($1, $2)', [call.gid, `end of ${call.op}`]);
      await fence.complete(executor, call, reply);
    });
  const refuse = (call: Call, reason: string): Promise<void> =>
    service.transaction((executor) => fence.refuse(executor, call, reason));

  test.each(['try', 'action'] as const)('a pending %s keeps what it did, and does not begin again', async (op) => {
    const call = branch()(op);
    expect(await receive(service, call, begin)).toEqual({ kind: 'pending', retryAfterMs: 250 });
    expect(await receive(service, call, begin)).toEqual({ kind: 'pending', retryAfterMs: null });
    expect(await effects(service, call)).toEqual([op]);
  });

  test('pending work that was completed answers the reply of its end, and is confirmed as ever', async () => {
    const call = branch();
    await receive(service, call('try'), begin);
    await complete(call('try'), { held: 300 });
    expect(await receive(service, call('try'), begin)).toEqual({ kind: 'done', reply: { held: 300 } });
    await receive(service, call('confirm'));
    expect(await effects(service, call('try'))).toEqual(['try', 'end of try', 'confirm']);
  });

  test('a confirm while the try is pending is pending too and runs nothing', async () => {
    const call = branch();
    await receive(service, call('try'), begin);
    expect(await receive(service, call('confirm'))).toEqual({ kind: 'pending', retryAfterMs: null });
    expect([await effects(service, call('try')), await recorded(service, call('try'))]).toEqual([
      ['try'],
      { op: 'try', state: 'pending' },
    ]);
  });

  test.each(UNDOINGS)(
    'pending work that was refused stays so: the %s is refused, the %s runs nothing',
    async (first, end) => {
      const call = branch();
      await receive(service, call(first), begin);
      await refuse(call(first), 'the bank said no');
      await expect(receive(service, call(first), begin)).rejects.toMatchObject({ reason: 'the bank said no' });
      expect(await receive(service, call(end))).toEqual({ kind: 'done', reply: null });
      expect(await receive(service, call(end))).toEqual({ kind: 'done', reply: null });
      await expect(receive(service, call(first), begin)).rejects.toThrow(Refused);
      expect(await effects(service, call(first))).toEqual([first]);
    },
  );

  test('a confirm of refused work is never guessed', async () => {
    const call = branch();
    await receive(service, call('try'), begin);
    await refuse(call('try'), 'no');
    await expect(receive(service, call('confirm'))).rejects.toMatchObject({ code: 'TERCET_FENCE_TRY_MISSING' });
    expect(await effects(service, call('try'))).toEqual(['try']);
  });

  test.each(UNDOINGS)(
    'when a pending %s meets its %s, that runs, and the work cannot end any more',
    async (first, end) => {
      const call = branch();
      await receive(service, call(first), begin);
      const cancelled = await receive(service, call(end));
      expect(cancelled).toMatchObject({ reply: { op: end } });
      await expect(complete(call(first), 'too late')).rejects.toMatchObject({ code: 'TERCET_FENCE_CANCELLED' });
      await expect(refuse(call(first), 'too late')).rejects.toMatchObject({ code: 'TERCET_FENCE_CANCELLED' });
      expect(await effects(service, call(first))).toEqual([first, end]);
      expect(await receive(service, call(end))).toEqual(cancelled);
    },
  );

  test('work that ends while its cancel is under way waits for it, and fails', async () => {
    const call = branch();
    await receive(service, call('try'), begin);
    const cancel = held(service, call('cancel'));
    await cancel.entered;
    const completing = complete(call('try'));
    const failed = expect(completing).rejects.toMatchObject({ code: 'TERCET_FENCE_CANCELLED' });
    await waiting(service);
    cancel.leave();
    await Promise.all([failed, cancel.answer]);
    expect(await effects(service, call('try'))).toEqual(['try', 'cancel']);
  });

  test('a cancel that comes while the work ends waits for it, and undoes all of it', async () => {
    const call = branch();
    await receive(service, call('try'), begin);
    const completing = hold(service, (executor) => fence.complete(executor, call('try'), 'ended'));
    await completing.entered;
    const cancelling = receive(service, call('cancel'));
    await waiting(service);
    completing.leave();
    await completing.answer;
    expect(await cancelling).toMatchObject({ reply: { op: 'cancel' } });
    expect(await effects(service, call('try'))).toEqual(['try', 'cancel']);
  });

  test.each([['try', 'confirm'] as const, ...UNDOINGS])(
    'after a %s, a %s may be pending too, and has a reply of its own',
    async (first, end) => {
      const call = branch();
      const tried = await receive(service, call(first));
      await receive(service, call(end), begin);
      expect(await receive(service, call(end), begin)).toEqual({ kind: 'pending', retryAfterMs: null });
      await complete(call(end), { ended: true });
      expect(await receive(service, call(end), begin)).toEqual({ kind: 'done', reply: { ended: true } });
      if (end === 'confirm') expect(await receive(service, call(first))).toEqual(tried);
      expect(await effects(service, call(first))).toEqual([first, end, `end of ${end}`]);
    },
  );

  test('what never was pending, or has ended, cannot end: the effects roll back', async () => {
    const call = branch();
    const notPending = { code: 'TERCET_FENCE_NOT_PENDING' };
    await expect(complete(call('try'))).rejects.toMatchObject(notPending);
    await receive(service, call('try'), begin);
    await expect(complete(call('confirm'))).rejects.toMatchObject(notPending);
    await complete(call('try'));
    await expect(complete(call('try'))).rejects.toMatchObject(notPending);
    await expect(refuse(call('try'), 'no')).rejects.toMatchObject(notPending);
    await receive(service, call('cancel'));
    await expect(complete(call('cancel'))).rejects.toMatchObject(notPending);
    expect(await effects(service, call('try'))).toEqual(['try', 'end of try', 'cancel']);
  });

  test.each(['confirm', 'cancel', 'compensate'] as const)('a pending %s may not refuse', async (op) => {
    await expect(refuse(branch()(op), 'no')).rejects.toMatchObject({ code: 'TERCET_FENCE_MISUSED' });
  });
});
