/** G9 with the SDK: a message goes out if and only if the local transaction committed, whatever gets lost on the way. */
import { randomUUID } from 'node:crypto';
import { Messages, Refused, TercetError, TercetUnreachable } from '../../src/client/index.js';
import type { Executor, MessageRequest, TransactionView } from '../../src/client/index.js';
import { KINDS, Producer } from './producer.js';
import { until } from './until.js';

const failure = new Error('sold out');

const message = (gid: string, over: Partial<MessageRequest> = {}): MessageRequest => ({
  gid,
  deliveries: [{ branchId: 'mail', component: 'mail', payload: { gid } }],
  ...over,
});
/** No check comes in between. */
const LATER = { check: { afterMs: 600_000 } };

const buying =
  (gid: string) =>
  async (manager: Executor): Promise<string> => {
    await manager.query('INSERT INTO purchase VALUES ($1)', [gid]);
    return `bought ${gid}`;
  };

describe.each(KINDS)('with %s', (kind) => {
  let producer: Producer;
  let gid: string;
  beforeAll(async () => (producer = await Producer.start(kind)));
  afterAll(() => producer.stop());
  beforeEach(() => (gid = randomUUID()));

  const ended = (): Promise<TransactionView> => producer.client.wait(gid, { waitMs: 20_000 });
  const send = (over: Partial<MessageRequest> = {}, work: (manager: Executor) => Promise<unknown> = buying(gid)) =>
    producer.messages.inTransaction(message(gid, over), work);
  /** A process whose submits and aborts reach nobody. */
  const cutOff = (): Messages => {
    const nobody = (): Promise<never> => Promise.reject(new TercetUnreachable(gid, 'http://nowhere', 1, failure));
    const begin = producer.client.begin.bind(producer.client);
    return new Messages({ begin, submit: nobody, abort: nobody }, producer.options);
  };

  test('what committed is submitted and delivered, and the caller gets what the work returned', async () => {
    const done = await send(LATER);
    expect(done).toMatchObject({ submitted: true, submitError: null, repeated: false, result: `bought ${gid}` });
    expect(done.transaction).toMatchObject({ gid, mode: 'message', decision: 'commit' });
    expect(await ended()).toMatchObject({ status: 'committed', branches: [{ state: 'delivered' }] });
    expect([await producer.purchases(gid), producer.delivered(gid), producer.checked(gid)]).toEqual([1, 1, []]);
  });

  test('it waits for the deliveries where it is asked to, and needs no gid', async () => {
    const { gid: _gid, ...rest } = message(gid, { ...LATER, wait: 'settled' });
    const { transaction } = await producer.messages.inTransaction(rest, buying(gid));
    expect(transaction.status).toBe('committed');
    expect(producer.delivered(transaction.gid)).toBe(1);
  });

  test('work that throws is rolled back, aborts, is never delivered, and what it threw is thrown', async () => {
    for (const error of [failure, new Refused('no money'), new Error('text\0')]) {
      gid = randomUUID();
      const sending = send(LATER, async (manager) => {
        await buying(gid)(manager);
        throw error;
      });
      await expect(sending).rejects.toBe(error);
      expect(await ended()).toMatchObject({ status: 'aborted', reason: { kind: 'requested' } });
      expect([await producer.purchases(gid), producer.delivered(gid)]).toEqual([0, 0]);
    }
  });

  test('a submit that reaches nobody is no failure: the check finds out, and it is delivered', async () => {
    const done = await cutOff().inTransaction(message(gid), buying(gid));
    expect(done).toMatchObject({ submitted: false, result: `bought ${gid}`, transaction: { decision: null } });
    expect(done.submitError).toBeInstanceOf(TercetUnreachable);
    expect(await ended()).toMatchObject({ status: 'committed' });
    expect([producer.delivered(gid), producer.checked(gid)]).toEqual([1, [200]]);
  });

  test('an abort that reaches nobody is none either: the check finds out, and it is not delivered', async () => {
    const sending = cutOff().inTransaction(message(gid), () => Promise.reject(failure));
    await expect(sending).rejects.toBe(failure);
    expect(await ended()).toMatchObject({ status: 'aborted', reason: { kind: 'refused' } });
    expect([producer.delivered(gid), producer.checked(gid)]).toEqual([0, [409]]);
  });

  test('a signal that comes after the commit leaves it to the check', async () => {
    const leaving = new AbortController();
    const work = async (manager: Executor): Promise<void> => {
      await buying(gid)(manager);
      leaving.abort();
    };
    const done = await producer.messages.inTransaction(message(gid), work, { signal: leaving.signal });
    expect(done).toMatchObject({ submitted: false });
    expect(await ended()).toMatchObject({ status: 'committed' });
  });

  test('a process that ends before its local transaction: rolled back, and a late one does not work', async () => {
    await producer.client.begin({ ...message(gid), mode: 'message', check: { component: 'order' } });
    expect(await ended()).toMatchObject({ status: 'aborted' });
    await expect(send()).rejects.toMatchObject({ code: 'TERCET_MESSAGE_ROLLED_BACK', status: 409 });
    expect([await producer.purchases(gid), producer.delivered(gid)]).toEqual([0, 0]);
  });

  test('a check that overtakes the local transaction: its work does not run', async () => {
    const begin = async (...args: Parameters<typeof producer.client.begin>): Promise<TransactionView> => {
      const begun = await producer.client.begin(...args);
      await ended();
      return begun;
    };
    const { client, options } = producer;
    const late = new Messages({ begin, submit: client.submit.bind(client), abort: client.abort.bind(client) }, options);
    await expect(late.inTransaction(message(gid), buying(gid))).rejects.toMatchObject({
      code: 'TERCET_MESSAGE_ROLLED_BACK',
    });
    expect([await producer.purchases(gid), producer.delivered(gid)]).toEqual([0, 0]);
  });

  test('while the local transaction is open checks are answered 425, and what it does in the end counts', async () => {
    const done = await send({}, async (manager) => {
      await buying(gid)(manager);
      await until('it was checked', () => Promise.resolve(producer.checked(gid).length > 0));
    });
    expect(done).toMatchObject({ submitted: true });
    expect(await ended()).toMatchObject({ status: 'committed' });
    expect(new Set(producer.checked(gid))).toEqual(new Set([425]));
  });

  test('a session that ends in the work: nothing stays, nothing is delivered', async () => {
    const sending = send({}, async (manager) => {
      await buying(gid)(manager);
      await manager.query('SELECT pg_terminate_backend(pg_backend_pid())');
    });
    await expect(sending).rejects.toThrow();
    expect(await ended()).toMatchObject({ status: 'aborted' });
    expect([await producer.purchases(gid), producer.delivered(gid)]).toEqual([0, 0]);
  });

  test('a COMMIT that PostgreSQL refuses: nothing stays, nothing is delivered, and its error is thrown', async () => {
    const sending = send(LATER, async (manager) => {
      await buying(gid)(manager);
      return buying(gid)(manager);
    });
    await expect(sending).rejects.toMatchObject({ code: '23505' });
    expect(await ended()).toMatchObject({ status: 'aborted', reason: { kind: 'requested' } });
    expect([await producer.purchases(gid), producer.delivered(gid)]).toEqual([0, 0]);
  });

  test('work that hides an error of PostgreSQL has not committed, and is not delivered', async () => {
    const sending = send(LATER, async (manager) => {
      await buying(gid)(manager);
      await manager.query('SELECT 1 / 0').catch(() => undefined);
      return 'all is well';
    });
    await expect(sending).rejects.toThrow('current transaction is aborted');
    expect(await ended()).toMatchObject({ status: 'aborted' });
    expect(await producer.purchases(gid)).toBe(0);
  });

  test('a COMMIT whose answer gets lost is asked after: it is done, submitted, delivered', async () => {
    const done = await send(LATER, (manager) => {
      producer.proxy.loseAnswerTo('COMMIT');
      return buying(gid)(manager);
    });
    expect(done).toMatchObject({ submitted: true, result: `bought ${gid}` });
    expect(await ended()).toMatchObject({ status: 'committed' });
    expect([await producer.purchases(gid), producer.delivered(gid)]).toEqual([1, 1]);
  });

  test('sent again under its gid, the work does not run again, and it is delivered once', async () => {
    const first = await cutOff().inTransaction(message(gid, LATER), buying(gid));
    expect(first).toMatchObject({ submitted: false, repeated: false });
    for (let time = 0; time < 2; time += 1) {
      expect(await send(LATER)).toMatchObject({ submitted: true, repeated: true, result: undefined });
    }
    await ended();
    expect([await producer.purchases(gid), producer.delivered(gid)]).toEqual([1, 1]);
  });

  test('of two at once under one gid where one fails, what the other one did is not aborted', async () => {
    let first: Promise<unknown> = Promise.resolve();
    let second: Promise<unknown> = Promise.resolve();
    first = send(LATER, async (manager) => {
      await buying(gid)(manager);
      second = send(LATER).catch((error: unknown) => error);
      await until('the other one waits', async () => {
        const { rows } = await producer.pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rows.length > 0;
      });
      throw failure;
    });
    await expect(first).rejects.toBe(failure);
    // As a rule the other one goes on. On a busy machine the first one's check may overtake it; then it does nothing.
    const other = await second;
    const overtaken = other instanceof TercetError && other.code === 'TERCET_MESSAGE_ROLLED_BACK';
    if (!overtaken) expect(other).toMatchObject({ submitted: true, repeated: false });
    expect(await ended()).toMatchObject({ status: overtaken ? 'aborted' : 'committed' });
    const times = overtaken ? 0 : 1;
    expect([await producer.purchases(gid), producer.delivered(gid)]).toEqual([times, times]);
  });

  test('one that somebody aborts while its local transaction is open says so: the work is done, it is not delivered', async () => {
    const sending = send(LATER, async (manager) => {
      await buying(gid)(manager);
      await producer.client.abort(gid, { by: 'operator', reason: 'by mistake' });
    });
    await expect(sending).rejects.toMatchObject({ code: 'TERCET_MESSAGE_ABORTED', status: 409 });
    expect([await producer.purchases(gid), producer.delivered(gid)]).toEqual([1, 0]);
  });

  test.each(['REPEATABLE READ', 'SERIALIZABLE'] as const)('the local transaction may be %s', async (isolation) => {
    const asking = async (manager: Executor): Promise<unknown> => manager.query('SHOW transaction_isolation');
    const { result } = await producer.messages.inTransaction(message(gid, LATER), asking, { isolation });
    expect(JSON.stringify(result)).toContain(isolation.toLowerCase());
  });

  test('what the coordinator refuses is not begun, and its work does not run', async () => {
    await expect(send({ deliveries: [] })).rejects.toMatchObject({ code: 'TERCET_REQUEST_INVALID' });
    expect(await producer.purchases(gid)).toBe(0);
  });

  // The last one: its way to the database does not come back.
  test('a database that is gone after the COMMIT: it is said that nobody knows, and the check finds out', async () => {
    const sending = send({}, async (manager) => {
      producer.proxy.loseAnswerTo('COMMIT');
      await buying(gid)(manager);
      producer.proxy.refuse();
    });
    await expect(sending).rejects.toMatchObject({ code: 'TERCET_MESSAGE_UNKNOWN', status: 500 });
    expect(await ended()).toMatchObject({ status: 'committed' });
    expect([await producer.purchases(gid), producer.delivered(gid)]).toEqual([1, 1]);
  });
});

test('the manager of an open transaction is not taken for a database: its commit is not this one', async () => {
  const manager = { queryRunner: {}, query: () => Promise.resolve([]), transaction: () => Promise.reject(failure) };
  const messages = new Messages(
    {
      begin: () => Promise.reject(failure),
      submit: () => Promise.reject(failure),
      abort: () => Promise.reject(failure),
    },
    { component: 'order', dataSource: manager },
  );
  await expect(messages.inTransaction(message('m'), () => Promise.resolve())).rejects.toThrow(
    'give the DataSource itself, not the manager of an open transaction',
  );
});
