/** client.tcc: a transaction driven from outside, over a real coordinator and real participants. */
import { Refused, TercetClient, TercetUnreachable } from '../../src/client/index.js';
import type { TccScope } from '../../src/client/index.js';
import { TestNode } from '../http/node.js';
import { json, raw, Service } from '../participants/service.js';
import type { Answer, Asked } from '../participants/service.js';
import { drop, half, inTurn, page, requests, silence, view } from './coordinator.js';

let node: TestNode;
let client: TercetClient;

beforeAll(async () => {
  node = await TestNode.start();
  client = new TercetClient({ url: node.url });
});
afterAll(() => node.stop());

beforeEach(async () => {
  node.participant.answer = json({ held: 300 });
  for (const name of ['account', 'stock']) await node.component(name, { retry: { baseMs: 1, capMs: 2 } });
});

/** How the participants answer a try, and everything else with `{}`. */
function answerTries(answer: Answer): void {
  node.participant.answer = (response, asked) => (asked.call.op === 'try' ? answer : json({}))(response, asked);
}

/** The calls for a transaction: `account/try`. */
function calls(gid: string): string[] {
  return node.participant.asked.filter(({ call }) => call.gid === gid).map(({ path }) => path.slice(1));
}

const settled = { wait: 'settled' } as const;
const payAndReserve = async (tx: TccScope): Promise<unknown[]> => [
  await tx.try('pay', 'account', { amount: 300 }),
  await tx.try('reserve', 'stock'),
];

test('each try is called with its payload, the answer is given to the work, and then all are confirmed', async () => {
  const { transaction, result } = await client.tcc({ gid: 'both', businessKey: 'c-1', ...settled }, payAndReserve);
  expect(result).toEqual([{ held: 300 }, { held: 300 }]);
  expect(transaction).toMatchObject({ gid: 'both', businessKey: 'c-1', status: 'committed', decision: 'commit' });
  expect(calls('both').slice(0, 2)).toEqual(['account/try', 'stock/try']);
  expect(calls('both').slice(2).sort()).toEqual(['account/confirm', 'stock/confirm']);
  const payloads = node.participant.asked.filter(({ call }) => call.gid === 'both').map(({ call }) => call.payload);
  expect(payloads.slice(0, 2)).toEqual([{ amount: 300 }, null]);
});

test('a branch is recorded before its try is called (G3)', async () => {
  let seen: Promise<unknown> = Promise.resolve();
  node.participant.answer = (response, asked) => {
    if (asked.call.op === 'try') seen = client.get(asked.call.gid);
    void seen.then(() => json({})(response, asked));
  };
  await client.tcc({ gid: 'recorded' }, (tx) => tx.try('pay', 'account'));
  expect(await seen).toMatchObject({ status: 'open', branches: [{ branchId: 'pay', state: 'started' }] });
});

test('tries may run at the same time', async () => {
  const { result } = await client.tcc({ gid: 'parallel' }, (tx) =>
    Promise.all([tx.try('pay', 'account'), tx.try('reserve', 'stock')]),
  );
  expect(result).toEqual([{ held: 300 }, { held: 300 }]);
});

test('without branches it commits, and gives what the work returned', async () => {
  const { transaction, result } = await client.tcc(settled, async () => 'nothing to do');
  expect([transaction.status, result]).toEqual(['committed', 'nothing to do']);
});

test('an empty answer to a try is the reply null', async () => {
  answerTries(raw('', 204));
  expect((await client.tcc({}, (tx) => tx.try('pay', 'account'))).result).toBeNull();
});

describe('it aborts, cancels what was tried, and throws', () => {
  test('what the work threw', async () => {
    const failure = new Error('changed my mind');
    const failing = client.tcc({ gid: 'thrown', ...settled }, async (tx) => {
      await tx.try('pay', 'account');
      throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    expect(await client.get('thrown')).toMatchObject({
      status: 'aborted',
      reason: { kind: 'requested', detail: 'changed my mind' },
      branches: [{ state: 'cancelled' }],
    });
    expect(calls('thrown')).toEqual(['account/try', 'account/cancel']);
  });

  test.each([
    ['thrown text', 'no more', 'no more'],
    ['an error without words', new Error(''), 'the work failed'],
    ['U+0000, which PostgreSQL cannot keep', new Error('a\0b'), 'a b'],
    [
      'more than the coordinator takes, cut within a pair',
      new Error(`${'x'.repeat(999)}😀`),
      `${'x'.repeat(999)}\ufffd`,
    ],
  ])('with a reason for the abort: %s', async (name, failure, detail) => {
    const gid = name.replaceAll(/[^a-z]/g, '-');
    await expect(client.tcc({ gid }, () => Promise.reject(failure as Error))).rejects.toBe(failure);
    expect(await client.get(gid)).toMatchObject({ decision: 'abort', reason: { kind: 'requested', detail } });
  });

  test('Refused with the reason of the participant, who is asked once', async () => {
    answerTries(json({ reason: 'not enough money' }, 409));
    const failing = client.tcc({ gid: 'refused', ...settled }, payAndReserve);
    await expect(failing).rejects.toThrow(Refused);
    await expect(failing).rejects.toMatchObject({ reason: 'not enough money' });
    expect(calls('refused')).toEqual(['account/try', 'account/cancel']);
    expect(await client.get('refused')).toMatchObject({
      status: 'aborted',
      reason: { detail: 'refused: not enough money' },
    });
  });

  test('Refused, even if the work hides it: what is not done cannot be confirmed', async () => {
    answerTries(json({ reason: 'not enough money' }, 409));
    const failing = client.tcc({ gid: 'hidden', ...settled }, async (tx) => {
      await tx.try('pay', 'account').catch(() => undefined);
    });
    await expect(failing).rejects.toThrow(Refused);
    expect(await client.get('hidden')).toMatchObject({ status: 'aborted' });
  });

  test('Refused, even if the work did not wait for it', async () => {
    answerTries(json({ reason: 'not enough money' }, 409));
    const failing = client.tcc({ gid: 'forgotten', ...settled }, async (tx) => {
      void tx.try('pay', 'account');
    });
    await expect(failing).rejects.toThrow(Refused);
    expect(await client.get('forgotten')).toMatchObject({ status: 'aborted' });
  });

  test('while another try is under way, whose connection is closed: nobody waits for it', async () => {
    await node.component('account', { timeoutMs: 600_000 });
    let closed = (): void => undefined;
    const isClosed = new Promise<void>((resolve) => (closed = resolve));
    let accountIsAsked = (): void => undefined;
    const asked = new Promise<void>((resolve) => (accountIsAsked = resolve));
    answerTries((response, call) => {
      if (call.path === '/account/try') {
        response.once('close', closed);
        accountIsAsked();
      } else {
        void asked.then(() => json({ reason: 'sold out' }, 409)(response, call));
      }
    });
    const failing = client.tcc({ gid: 'one-of-two', ...settled }, (tx) =>
      Promise.all([tx.try('pay', 'account'), tx.try('reserve', 'stock')]),
    );
    await expect(failing).rejects.toMatchObject({ reason: 'sold out' });
    await isClosed;
  });

  test('what the coordinator says of a component that it does not know', async () => {
    const failing = client.tcc({ gid: 'strange' }, (tx) => tx.try('pay', 'nobody'));
    await expect(failing).rejects.toMatchObject({ code: 'TERCET_COMPONENT_NOT_REGISTERED' });
    expect(await client.get('strange')).toMatchObject({ decision: 'abort', branches: [] });
  });
});

describe('a try that says neither yes nor no', () => {
  test.each<[string, Answer]>([
    ['no answer', drop],
    ['half an answer', half],
    ['500', raw('', 500)],
    ['a page of a proxy with 200', page(200)],
    ['a page of a proxy with 409', page(409)],
    ['409 without a reason', json({ error: 'no' }, 409)],
    ['a redirect', raw('', 307, { location: '/elsewhere' })],
  ])('is called again after %s, as the same attempt of the same branch', async (name, answer) => {
    const gid = name.replaceAll(/[^a-z0-9]/g, '-');
    answerTries(inTurn(answer, json({ held: 300 })));
    const { result } = await client.tcc({ gid, ...settled }, (tx) => tx.try('pay', 'account', { amount: 300 }));
    expect(result).toEqual({ held: 300 });
    const tries = node.participant.asked.filter(({ call }) => call.gid === gid && call.op === 'try');
    expect(tries.map(({ path }) => path)).toEqual(['/account/try', '/account/try']);
    expect(tries[1]?.text).toBe(tries[0]?.text);
  });

  test('aborts after three attempts, and the error names the branch, the address and the last answer', async () => {
    answerTries(raw('', 500));
    const failing = client.tcc({ gid: 'unknown', ...settled }, (tx) => tx.try('pay', 'account'));
    await expect(failing).rejects.toMatchObject({
      code: 'TERCET_OPERATION_FAILED',
      detail: `the try of branch 'pay' at ${node.participant.url}/account/try was not done in time; the last time: answered 500`,
    });
    expect(calls('unknown').filter((path) => path === 'account/try')).toHaveLength(3);
    expect(await client.get('unknown')).toMatchObject({ status: 'aborted', branches: [{ state: 'cancelled' }] });
  });

  test('says what kept it from the participant', async () => {
    const gone = await Service.start();
    await client.putComponent('gone', { url: gone.url });
    await gone.stop();
    const failing = client.tcc({ gid: 'gone' }, (tx) => tx.try('pay', 'gone'));
    await expect(failing).rejects.toMatchObject({ detail: expect.stringContaining('ECONNREFUSED') });
  });

  test('is called at another instance when one is gone that was alive a moment ago', async () => {
    const gone = await Service.start();
    await node.component('twice', { retry: { baseMs: 1, capMs: 2 } });
    await client.putInstance('twice', 'gone', { url: gone.url });
    await client.putInstance('twice', 'here', { url: `${node.participant.url}/twice` });
    const shown = async () => (await client.getComponent('twice')).instances.filter(({ isAlive }) => isAlive).length;
    while ((await shown()) < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    await gone.stop();
    // In turn: of these some go there first.
    const { transaction } = await client.tcc({ gid: 'turns', ...settled }, (tx) =>
      Promise.all(['a', 'b', 'c', 'd'].map((branchId) => tx.try(branchId, 'twice'))),
    );
    expect(transaction.status).toBe('committed');
  });

  test('is given up when it is silent for as long as the component may take', async () => {
    await node.component('account', { timeoutMs: 50 });
    answerTries(inTurn(silence, json({ held: 300 })));
    expect((await client.tcc({ gid: 'silent' }, (tx) => tx.try('pay', 'account'))).result).toEqual({ held: 300 });
  });
});

describe('a pending try', () => {
  test('is asked again until it is done, more often than an unknown one would be', async () => {
    const pending = json(null, 425);
    answerTries(inTurn(pending, pending, pending, pending, json({ held: 300 })));
    expect((await client.tcc({ gid: 'pending' }, (tx) => tx.try('pay', 'account'))).result).toEqual({ held: 300 });
  });

  test.each([
    ['as soon as it may', {}],
    ['no later than that, whatever Retry-After says', { 'retry-after': '99999999' }],
  ])('is given up at the deadline, %s', async (name, headers) => {
    answerTries(json(null, 425, headers));
    const gid = name.slice(0, 5).replaceAll(' ', '-');
    const failing = client.tcc({ gid, deadlineMs: 500 }, (tx) => tx.try('pay', 'account'));
    await expect(failing).rejects.toMatchObject({
      code: 'TERCET_OPERATION_FAILED',
      detail: expect.stringContaining('the last time: answered 425'),
    });
    // Not in a hurry either: a pause that long must not become none.
    expect(calls(gid).filter((path) => path === 'account/try').length).toBeLessThan(5);
    expect(await client.get(gid)).toMatchObject({ decision: 'abort' });
  });
});

describe('the signal', () => {
  const reason = new Error('the customer went away');
  let over: AbortController;
  beforeEach(() => (over = new AbortController()));

  test('before it begins: nothing is begun', async () => {
    over.abort(reason);
    await expect(client.tcc({ gid: 'never' }, payAndReserve, over)).rejects.toBe(reason);
    await expect(client.get('never')).rejects.toMatchObject({ code: 'TERCET_TRANSACTION_UNKNOWN' });
  });

  const moments: [string, Answer][] = [
    ['while a try is silent', silence],
    ['while it pauses after an unknown try', raw('', 500)],
    ['while it pauses for pending work', json(null, 425, { 'retry-after': '30' })],
  ];
  test.each(moments)('%s: it aborts at once, and rejects with the reason', async (name, answer) => {
    const gid = name.replaceAll(' ', '-');
    const tried = new Promise<Asked>((resolve) =>
      answerTries((response, asked) => {
        answer(response, asked);
        resolve(asked);
      }),
    );
    const failing = client.tcc({ gid, ...settled }, (tx) => tx.try('pay', 'account'), over);
    await tried;
    // A round trip later its answer, if there is one, has arrived.
    await client.get(gid);
    over.abort(reason);
    await expect(failing).rejects.toBe(reason);
    expect(await client.get(gid)).toMatchObject({ status: 'aborted', reason: { detail: reason.message } });
    expect(calls(gid)).toEqual(['account/try', 'account/cancel']);
  });

  test('while the work does something else that then ends well: it aborts all the same', async () => {
    const failing = client.tcc(
      { gid: 'elsewhere' },
      async (tx) => {
        await tx.try('pay', 'account');
        over.abort(reason);
      },
      over,
    );
    await expect(failing).rejects.toBe(reason);
    expect(await client.get('elsewhere')).toMatchObject({ decision: 'abort' });
  });
});

describe('the decision', () => {
  test('of the deadline, if it comes before the submit, is told by its code', async () => {
    const failing = client.tcc({ gid: 'slow', deadlineMs: 300, ...settled }, async (tx) => {
      await tx.try('pay', 'account');
      await client.wait(tx.gid);
    });
    await expect(failing).rejects.toMatchObject({ code: 'TERCET_TRANSACTION_DECIDED', status: 409 });
    expect(await client.get('slow')).toMatchObject({ status: 'aborted', reason: { kind: 'deadline' } });
  });

  test('is not taken back when the answer to the submit is lost: nothing aborts then', async () => {
    const coordinator = await Service.start(inTurn(json(view, 201), drop));
    try {
      const unlucky = new TercetClient({ url: coordinator.url, retry: { attempts: 2, baseMs: 1 } });
      const failing = unlucky.tcc({ gid: 'order-17' }, async () => 'done');
      await expect(failing).rejects.toBeInstanceOf(TercetUnreachable);
      await expect(failing).rejects.toMatchObject({ gid: 'order-17' });
      expect(requests(coordinator).map((request) => request.split(' {')[0])).toEqual([
        'POST /v1/transactions',
        'POST /v1/transactions/order-17/submit',
        'POST /v1/transactions/order-17/submit',
      ]);
    } finally {
      await coordinator.stop();
    }
  });

  test('an abort that does not get through does not hide why it was wanted', async () => {
    const coordinator = await Service.start(inTurn(json(view, 201), drop));
    try {
      const unlucky = new TercetClient({ url: coordinator.url, retry: { attempts: 2, baseMs: 1 } });
      const failure = new Error('changed my mind');
      await expect(unlucky.tcc({}, () => Promise.reject(failure))).rejects.toBe(failure);
      expect(coordinator.asked.slice(1).map(({ path }) => path.split('/').at(-1))).toEqual(['abort', 'abort']);
    } finally {
      await coordinator.stop();
    }
  });

  test('an abort that nobody answers is not waited for after the deadline, which aborts as well', async () => {
    const coordinator = await Service.start(inTurn(json(view, 201), silence));
    try {
      const failure = new Error('changed my mind');
      const patient = new TercetClient({ url: coordinator.url, timeoutMs: 600_000 });
      await expect(patient.tcc({ deadlineMs: 1 }, () => Promise.reject(failure))).rejects.toBe(failure);
    } finally {
      await coordinator.stop();
    }
  });
});

describe('where calls are signed', () => {
  let signing: TestNode;
  beforeAll(async () => {
    signing = await TestNode.start({ TERCET_SIGNING_SECRET: 's'.repeat(32) });
    await signing.component('account');
  });
  afterAll(() => signing.stop());

  test('a try that goes on for longer than a signature is good for gets a new one', async () => {
    const now = performance.now.bind(performance);
    let aheadMs = 0;
    performance.now = () => now() + aheadMs;
    // What the coordinator signs is told apart by its time.
    const signatures: unknown[] = [];
    signing.participant.answer = (response, { headers, call }) => {
      if (call.op !== 'try') return void response.end();
      signatures.push(headers['tercet-signature']);
      if (signatures.length === 2) aheadMs = 120_000;
      response.writeHead(signatures.length < 4 ? 425 : 200, { 'retry-after': '1' }).end();
    };
    try {
      const driving = new TercetClient({ url: signing.url });
      const { transaction } = await driving.tcc({ deadlineMs: 600_000, wait: 'settled' }, (tx) =>
        tx.try('a', 'account'),
      );
      expect(transaction).toMatchObject({ status: 'committed' });
    } finally {
      performance.now = now;
    }
    const [first, second, third, fourth] = signatures;
    expect([second, fourth]).toEqual([first, third]);
    expect(third).not.toBe(first);
  });
});
