/** G8: calls may repeat, come in the wrong order or fail half-way; each operation takes effect once. */
import { fence, Refused } from '../../../src/client/index.js';
import { branch, effects, KINDS, receive, recorded, startService, trace, UNDOINGS } from './service.js';
import type { Json } from '../../../src/protocol/words.js';
import type { Service, Work } from './service.js';

describe.each(KINDS)('with %s', (kind) => {
  let service: Service;
  beforeAll(async () => (service = await startService(kind)));
  afterAll(() => service.stop());

  test('a try and its confirm each take effect, and answer what their work returned', async () => {
    const call = branch();
    expect(await receive(service, call('try'))).toEqual({
      kind: 'done',
      reply: expect.objectContaining({ op: 'try' }),
    });
    const confirm = await receive(service, call('confirm'));
    expect(confirm).toEqual({ kind: 'done', reply: expect.objectContaining({ op: 'confirm' }) });
    expect(await effects(service, call('try'))).toEqual(['try', 'confirm']);
  });

  test.each(['try', 'action'] as const)('a repeated %s gets the stored reply and has no second effect', async (op) => {
    const call = branch()(op);
    const first = await receive(service, call);
    expect(await receive(service, call)).toEqual(first);
    expect(await effects(service, call)).toEqual([op]);
  });

  test.each([
    ['try', 'confirm'],
    ['try', 'cancel'],
    ['action', 'compensate'],
  ] as const)('after a %s, a repeated %s gets the stored reply and has no second effect', async (first, end) => {
    const call = branch();
    await receive(service, call(first));
    const ended = await receive(service, call(end));
    expect(await receive(service, call(end))).toEqual(ended);
    expect(await effects(service, call(end))).toEqual([first, end]);
  });

  test.each([['try', 'confirm'] as const, ...UNDOINGS])('what a %s answered is given to its %s', async (first, end) => {
    const call = branch();
    const seen: (Json | undefined)[] = [];
    const look: Work = (executor, asked, kept) => (seen.push(kept), trace(executor, asked, kept));
    const answer = await receive(service, call(first), look);
    await receive(service, call(end), look);
    expect(seen).toEqual([null, 'reply' in answer ? answer.reply : undefined]);
  });

  test('a try that comes again after the confirm gets what the try had answered', async () => {
    const call = branch();
    const tried = await receive(service, call('try'));
    await receive(service, call('confirm'));
    expect(await receive(service, call('try'))).toEqual(tried);
    expect(await effects(service, call('try'))).toEqual(['try', 'confirm']);
  });

  test.each(UNDOINGS)('a %s that comes again after its %s is refused and has no effect', async (first, end) => {
    const call = branch();
    await receive(service, call(first));
    await receive(service, call(end));
    await expect(receive(service, call(first))).rejects.toThrow(Refused);
    expect(await effects(service, call(first))).toEqual([first, end]);
  });

  test.each(['cancel', 'compensate'] as const)('a %s first answers null and runs nothing, ever', async (end) => {
    const call = branch()(end);
    expect(await receive(service, call)).toEqual({ kind: 'done', reply: null });
    expect(await receive(service, call)).toEqual({ kind: 'done', reply: null });
    expect(await effects(service, call)).toEqual([]);
  });

  test.each([
    ['cancel', 'try', 'cancelled'],
    ['compensate', 'action', 'compensated'],
  ] as const)(
    'after a %s without its %s, the late one is refused with a reason and has no effect',
    async (end, first, undone) => {
      const call = branch();
      await receive(service, call(end));
      const late = receive(service, call(first));
      await expect(late).rejects.toThrow(Refused);
      await expect(late).rejects.toMatchObject({ reason: `the branch was ${undone} before this ${first} came` });
      expect(await effects(service, call(first))).toEqual([]);
      expect(await receive(service, call(end))).toEqual({ kind: 'done', reply: null });
    },
  );

  test.each(['try', 'action'] as const)(
    'a %s that failed after it began leaves nothing, and runs again',
    async (op) => {
      const call = branch()(op);
      const failure = new Error('the disk of the service is full');
      const failing = receive(service, call, async (...args) => {
        await trace(...args);
        throw failure;
      });
      await expect(failing).rejects.toBe(failure);
      expect([await effects(service, call), await recorded(service, call)]).toEqual([[], undefined]);
      await receive(service, call);
      expect(await effects(service, call)).toEqual([op]);
    },
  );

  test.each([['try', 'confirm'] as const, ...UNDOINGS])(
    'after a %s, a %s that failed after it began leaves that, and runs again',
    async (first, end) => {
      const call = branch();
      await receive(service, call(first));
      const failing = receive(service, call(end), async (...args) => {
        await trace(...args);
        throw new Error('no connection');
      });
      await expect(failing).rejects.toThrow('no connection');
      await receive(service, call(end));
      expect(await effects(service, call(end))).toEqual([first, end]);
    },
  );

  test.each(UNDOINGS)(
    'a refused %s is rethrown and rolled back; its %s runs nothing, and after that it is refused as late',
    async (first, end) => {
      const call = branch();
      const refusal = new Refused('not enough money');
      const refusing = receive(service, call(first), async (...args) => {
        await trace(...args);
        throw refusal;
      });
      await expect(refusing).rejects.toBe(refusal);
      expect(await recorded(service, call(first))).toBeUndefined();
      expect(await receive(service, call(end))).toEqual({ kind: 'done', reply: null });
      await expect(receive(service, call(first))).rejects.toThrow(Refused);
      expect(await effects(service, call(first))).toEqual([]);
    },
  );

  test('a confirm without a try is never guessed: 500 with a code, no effect, and the try may still come', async () => {
    const call = branch();
    const confirming = receive(service, call('confirm'));
    await expect(confirming).rejects.toMatchObject({ code: 'TERCET_FENCE_TRY_MISSING', status: 500 });
    expect([await effects(service, call('confirm')), await recorded(service, call('confirm'))]).toEqual([
      [],
      undefined,
    ]);
    await receive(service, call('try'));
    await receive(service, call('confirm'));
    expect(await effects(service, call('confirm'))).toEqual(['try', 'confirm']);
  });

  test.each([
    ['cancel', 'confirm', ['try', 'cancel']],
    ['confirm', 'cancel', ['try', 'confirm']],
  ] as const)('after the %s, a %s is refused with a code and changes nothing', async (end, opposite, stays) => {
    const call = branch();
    await receive(service, call('try'));
    const ended = await receive(service, call(end));
    await expect(receive(service, call(opposite))).rejects.toMatchObject({ code: 'TERCET_FENCE_ENDED', status: 500 });
    expect(await effects(service, call(end))).toEqual(stays);
    expect(await receive(service, call(end))).toEqual(ended);
  });

  test('a confirm after a cancel without a try is refused with a code', async () => {
    const call = branch();
    await receive(service, call('cancel'));
    await expect(receive(service, call('confirm'))).rejects.toMatchObject({ code: 'TERCET_FENCE_ENDED', status: 500 });
    expect(await effects(service, call('confirm'))).toEqual([]);
  });

  test('branches of one transaction, and equal branches of two, do not touch each other', async () => {
    const call = branch()('try');
    await receive(service, call);
    await receive(service, { ...call, branchId: 'inventory' });
    await receive(service, branch()('try'));
    expect(await effects(service, call)).toEqual(['try', 'try']);
  });

  test('the fence serves several branches in one transaction, and all of them or none take effect', async () => {
    const [one, two] = [branch()('try'), branch()('try')];
    const both = service.transaction(async (executor) => {
      await fence.run(executor, one, () => trace(executor, one));
      await fence.run(executor, two, () => trace(executor, two));
      throw new Error('changed my mind');
    });
    await expect(both).rejects.toThrow('changed my mind');
    expect([await effects(service, one), await effects(service, two)]).toEqual([[], []]);
  });
});
