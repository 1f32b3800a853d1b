/** Every method of the client against a server that drops, refuses, redirects and talks nonsense. */
import { getEventListeners, getMaxListeners } from 'node:events';
import { TercetClient, TercetError, TercetUnreachable } from '../../src/client/index.js';
import type { ClientOptions } from '../../src/client/index.js';
import { json, raw, Service } from '../participants/service.js';
import { drop, half, inTurn, page, problem, requests, silence, view } from './coordinator.js';

const ATTEMPTS = 4;
const patient = { attempts: ATTEMPTS, baseMs: 1, capMs: 2 };

let service: Service;
let client: TercetClient;

beforeEach(async () => {
  service = await Service.start();
  client = clientOf();
});
afterEach(() => service.stop());

function clientOf(options: ClientOptions = {}): TercetClient {
  return new TercetClient({ url: service.url, retry: patient, ...options });
}

/** The end of a promise that must fail. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`it should have failed, but gave ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}

const branch = { branchId: 'a', component: 'account', payload: { amount: 300 } };
type Method = (client: TercetClient, options: { signal?: AbortSignal }) => Promise<unknown>;

/** Name, request as it must go out, the call. */
const METHODS: [string, string, Method][] = [
  [
    'begin',
    'POST /v1/transactions {"mode":"tcc","gid":"order-17","branches":[{"branchId":"a","component":"account","payload":{"amount":300}}]}',
    (c, options) => c.begin({ gid: 'order-17', branches: [branch] }, options),
  ],
  [
    'register',
    'POST /v1/transactions/order-17/branches {"branchId":"a","component":"account","payload":{"amount":300}}',
    (c, options) => c.register('order-17', branch, options),
  ],
  [
    'submit',
    'POST /v1/transactions/order-17/submit {"wait":"settled","waitMs":5}',
    (c, options) => c.submit('order-17', { wait: 'settled', waitMs: 5, ...options }),
  ],
  [
    'abort',
    'POST /v1/transactions/order-17/abort {"reason":"no more wishes"}',
    (c, options) => c.abort('order-17', { reason: 'no more wishes', ...options }),
  ],
  ['get', 'GET /v1/transactions/order-17', (c, options) => c.get('order-17', options)],
  [
    'wait',
    'GET /v1/transactions/order-17?wait=decided&waitMs=0',
    (c, options) => c.wait('order-17', { until: 'decided', waitMs: 0, ...options }),
  ],
  ['timeline', 'GET /v1/transactions/order-17/timeline', (c, options) => c.timeline('order-17', options)],
  [
    'list',
    'GET /v1/transactions?status=open&parked=true&limit=7&businessKey=a%26b',
    (c, options) => c.list({ status: 'open', parked: true, limit: 7, businessKey: 'a&b' }, options),
  ],
  [
    'resume',
    'POST /v1/transactions/order-17/resume {"reason":"repaired"}',
    (c, options) => c.resume('order-17', 'repaired', options),
  ],
  [
    'retry',
    'POST /v1/transactions/order-17/retry {"reason":"repaired"}',
    (c, options) => c.retry('order-17', 'repaired', options),
  ],
  [
    'park',
    'POST /v1/transactions/order-17/park {"reason":"wait"}',
    (c, options) => c.park('order-17', 'wait', options),
  ],
  [
    'force',
    'POST /v1/transactions/order-17/branches/a%3Ab/force {"reason":"by hand"}',
    (c, options) => c.force('order-17', 'a:b', 'by hand', options),
  ],
  [
    'putComponent',
    'PUT /v1/components/account {"url":"http://127.0.0.1:1/account","timeoutMs":100}',
    (c, options) => c.putComponent('account', { url: 'http://127.0.0.1:1/account', timeoutMs: 100 }, options),
  ],
  ['getComponent', 'GET /v1/components/account', (c, options) => c.getComponent('account', options)],
  [
    'putInstance',
    'PUT /v1/components/account/instances/a {"url":"http://127.0.0.1:1/account","ttlMs":1000}',
    (c, options) => c.putInstance('account', 'a', { url: 'http://127.0.0.1:1/account', ttlMs: 1000 }, options),
  ],
];
const NAMES_A_TRANSACTION = new Set(
  METHODS.map(([name]) => name).filter((name) => !/^list$|Component$|Instance$/.test(name)),
);

describe.each(METHODS)('%s', (name, request, method) => {
  test('sends one request and gives what is answered', async () => {
    const answer = { ...view, more: 'a field that a newer coordinator adds' };
    service.answer = json(answer);
    expect(await method(client, {})).toEqual(answer);
    expect(requests(service)).toEqual([request]);
  });

  test('sends the same again, gid and all, after no answer, half an answer, 429, 503 and 504', async () => {
    const client = clientOf({ retry: { ...patient, attempts: 6 } });
    service.answer = inTurn(
      drop,
      half,
      problem(429, 'TERCET_TRANSACTIONS_TOO_MANY'),
      problem(503, 'TERCET_NOT_READY'),
      problem(504, 'TERCET_OUTCOME_UNKNOWN'),
      json(view),
    );
    expect(await method(client, {})).toEqual(view);
    expect(requests(service)).toEqual(Array(6).fill(request));
  });

  test('gives up after so many attempts, and says what is not known and what to do next', async () => {
    service.answer = drop;
    const error = await failureOf(method(client, {}));
    expect(error).toBeInstanceOf(TercetUnreachable);
    const gid = NAMES_A_TRANSACTION.has(name) ? 'order-17' : null;
    expect(error).toMatchObject({ gid, url: service.url, name: 'TercetUnreachable' });
    const next = gid ? "ask for the transaction 'order-17', or repeat the request with this same gid" : 'ask again';
    expect((error as Error).message).toMatch(
      new RegExp(`^no certain answer from ${service.url} after ${ATTEMPTS} attempts \\(.+\\): ${next}$`),
    );
    expect(service.asked).toHaveLength(ATTEMPTS);
  });

  test('rejects with what the coordinator says, and does not ask again', async () => {
    service.answer = problem(409, 'TERCET_TRANSACTION_DECIDED');
    const error = await failureOf(method(client, {}));
    expect(error).toBeInstanceOf(TercetError);
    expect(error).toMatchObject({ code: 'TERCET_TRANSACTION_DECIDED', status: 409, errors: [] });
    expect(service.asked).toHaveLength(1);
  });

  test('ends with the reason of the signal, while it waits for an answer', async () => {
    service.answer = silence;
    const over = new AbortController();
    const reason = new Error('the customer went away');
    const failing = failureOf(method(client, { signal: over.signal }));
    await service.wasAsked(1);
    over.abort(reason);
    expect(await failing).toBe(reason);
    expect(service.asked).toHaveLength(1);
  });

  test('ends with the reason of the signal, while it pauses between two attempts', async () => {
    service.answer = problem(503, 'TERCET_NOT_READY', { 'retry-after': '30' });
    const over = new AbortController();
    const reason = new Error('the customer went away');
    const failing = failureOf(method(client, { signal: over.signal }));
    await service.wasAsked(1);
    // The answer has come when the next one on the same server has.
    await failureOf(clientOf({ retry: { attempts: 1 } }).get('other'));
    over.abort(reason);
    expect(await failing).toBe(reason);
    expect(service.asked).toHaveLength(2);
  });

  test('sends nothing when the signal has ended before', async () => {
    const reason = new Error('too late');
    expect(await failureOf(method(client, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(service.asked).toHaveLength(0);
  });
});

describe('what is repeated', () => {
  test.each([
    ['no answer', drop],
    ['half an answer', half],
    ['429', problem(429, 'TERCET_TRANSACTIONS_TOO_MANY')],
    ['502 of a proxy', page(502)],
    ['503 of a proxy', page(503)],
    ['503', problem(503, 'TERCET_NOT_READY')],
    ['504 of a proxy', page(504)],
    ['504', problem(504, 'TERCET_OUTCOME_UNKNOWN')],
    ['500, which says nothing of what was recorded', problem(500, 'TERCET_INTERNAL')],
    ['200 that is not JSON', page(200)],
    ['200 without a body', raw('')],
  ])('%s', async (_name, answer) => {
    service.answer = inTurn(answer, answer, json(view, 201));
    expect(await client.begin({ gid: 'order-17' })).toEqual(view);
    expect(service.asked).toHaveLength(3);
  });

  test.each([
    ['400', problem(400, 'TERCET_REQUEST_INVALID'), 'TERCET_REQUEST_INVALID'],
    ['401', problem(401, 'TERCET_KEY_MISSING'), 'TERCET_KEY_MISSING'],
    ['404', problem(404, 'TERCET_TRANSACTION_UNKNOWN'), 'TERCET_TRANSACTION_UNKNOWN'],
    ['409', problem(409, 'TERCET_GID_CONFLICT'), 'TERCET_GID_CONFLICT'],
    ['422', problem(422, 'TERCET_COMPONENT_NOT_REGISTERED'), 'TERCET_COMPONENT_NOT_REGISTERED'],
    ['a redirect', raw('', 307, { location: '/elsewhere' }), 'TERCET_ANSWER_INVALID'],
    ['404 of something else', page(404), 'TERCET_ANSWER_INVALID'],
    ['an error that is JSON without a code', json({ message: 'no' }, 400), 'TERCET_ANSWER_INVALID'],
    ['an error that is null', json(null, 400), 'TERCET_ANSWER_INVALID'],
  ])('not: %s', async (_name, answer, code) => {
    service.answer = answer;
    expect(await failureOf(client.begin({ gid: 'order-17' }))).toMatchObject({ name: 'TercetError', code });
    expect(service.asked).toHaveLength(1);
  });

  test('a begin without a gid is repeated with the gid that it was given first, and each begin gets its own', async () => {
    service.answer = inTurn(drop, json(view));
    await client.begin({ branches: [branch] });
    await client.begin({ branches: [branch] });
    const gids = service.asked.map(({ call }) => call.gid);
    expect(gids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/);
    expect(gids[1]).toBe(gids[0]);
    expect(gids[2]).not.toBe(gids[0]);
  });

  test('a server that is not there is asked again, and the error says what is wrong', async () => {
    const { url } = service;
    await service.stop();
    const error = await failureOf(clientOf({ url }).begin({ gid: 'order-17' }));
    expect(error).toBeInstanceOf(TercetUnreachable);
    expect((error as Error).message).toContain('ECONNREFUSED');
    service = await Service.start();
  });

  test('an answer that does not come in time is asked for again', async () => {
    service.answer = inTurn(silence, silence, json(view));
    const impatient = clientOf({ timeoutMs: 50 });
    expect(await impatient.begin({ gid: 'order-17', wait: 'accepted' })).toEqual(view);
    expect(service.asked).toHaveLength(3);
  });

  test('what the coordinator may wait is added to the time for an answer', async () => {
    let answerNow = (): void => undefined;
    service.answer = (response, asked) => {
      if (asked.call.gid === 'patient') answerNow = () => json(view)(response, asked);
    };
    const impatient = clientOf({ timeoutMs: 50, retry: { ...patient, attempts: 1 } });
    const begun = impatient.begin({ gid: 'patient', wait: 'settled', waitMs: 60_000 });
    await service.wasAsked(1);
    // Those who came later and wait for nothing have given up by now.
    for (const wait of [{ wait: 'accepted' }, { drive: 'initiator' }, { waitMs: 0 }] as const) {
      expect(await failureOf(impatient.begin({ gid: 'hasty', ...wait }))).toBeInstanceOf(TercetUnreachable);
    }
    answerNow();
    expect(await begun).toEqual(view);
  });

  test('not before the time that Retry-After names', async () => {
    service.answer = (response, asked) => {
      const headers: Record<string, string> = asked.call.gid === 'told' ? { 'retry-after': '1' } : {};
      problem(503, 'TERCET_NOT_READY', headers)(response, asked);
    };
    const told = client.begin({ gid: 'told' });
    await service.wasAsked(1);
    await failureOf(client.begin({ gid: 'untold' }));
    // The other one came later, and has used up its attempts.
    expect(service.asked.map(({ call }) => call.gid)).toEqual(['told', ...Array<string>(ATTEMPTS).fill('untold')]);
    service.answer = json(view);
    expect(await told).toEqual(view);
  });

  test('a Retry-After that is no number of seconds does not keep it from asking again', async () => {
    const when = { 'retry-after': 'Wed, 21 Oct 2099 07:28:00 GMT' };
    service.answer = inTurn(problem(503, 'TERCET_NOT_READY', when), json(view));
    expect(await client.get('order-17')).toEqual(view);
  });

  test.each([
    ['a BigInt', 300n, TypeError, /BigInt/],
    ['NaN, which JSON would turn into null', Number.NaN, RangeError, /^the request holds NaN$/],
    ['an infinite number', [{ deep: -Infinity }], RangeError, /^the request holds -Infinity$/],
  ])('not what JSON cannot carry: %s is said at once, and nothing is sent', async (_name, amount, kind, message) => {
    const failing = client.begin({ gid: 'order-17', branches: [{ ...branch, payload: { amount } }] });
    const error = await failureOf(failing);
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toMatch(message);
    expect(service.asked).toHaveLength(0);
  });
});

describe('what is known when it gives up', () => {
  const full = problem(429, 'TERCET_TRANSACTIONS_TOO_MANY');
  const away = problem(503, 'TERCET_NOT_READY');

  test.each([
    ['429', full, 'TERCET_TRANSACTIONS_TOO_MANY'],
    ['503', away, 'TERCET_NOT_READY'],
  ])('nothing was accepted, if every attempt was answered %s', async (_name, answer, code) => {
    service.answer = answer;
    expect(await failureOf(client.begin({ gid: 'order-17' }))).toMatchObject({ name: 'TercetError', code });
    expect(service.asked).toHaveLength(ATTEMPTS);
  });

  test.each([
    ['had no answer', drop],
    ['had half an answer', half],
    ['was answered 504', problem(504, 'TERCET_OUTCOME_UNKNOWN')],
    ['was answered 502 by a proxy', page(502)],
  ])('nothing, if an attempt before the last %s', async (_name, answer) => {
    service.answer = inTurn(answer, away);
    const error = await failureOf(client.begin({ gid: 'order-17' }));
    expect(error).toBeInstanceOf(TercetUnreachable);
    expect((error as Error).cause).toMatchObject({ code: 'TERCET_NOT_READY' });
  });

  test('one attempt, if no more are wanted', async () => {
    service.answer = drop;
    const error = await failureOf(clientOf({ retry: { attempts: 1 } }).get('order-17'));
    expect((error as Error).message).toContain('after one attempt (');
    expect(service.asked).toHaveLength(1);
  });
});

test('an error has the words of the coordinator, also with a code that this version does not know', async () => {
  const errors = [{ path: 'branches[0].component', message: 'must be a name' }];
  const body = {
    type: 'about:blank',
    title: 'New',
    status: 400,
    detail: 'what, why, next',
    code: 'TERCET_NEW',
    errors,
  };
  service.answer = json(body, 400);
  const error = await failureOf(client.begin({ gid: 'order-17' }));
  expect(error).toMatchObject({ message: 'TERCET_NEW: what, why, next', code: 'TERCET_NEW', status: 400, errors });
  expect(error).toMatchObject({ detail: 'what, why, next', problem: body });
});

test('an answer of something else names the address and asks whether a coordinator is there', async () => {
  service.answer = page(404);
  expect(await failureOf(client.get('order-17'))).toMatchObject({
    message: `TERCET_ANSWER_INVALID: ${service.url} answered 404, which says nothing; is a coordinator there?`,
    status: 502,
  });
  service.answer = page(200);
  expect(await failureOf(client.get('order-17'))).toMatchObject({
    name: 'TercetUnreachable',
    message: expect.stringContaining('answered 200 with something that is not JSON; is a coordinator there?') as string,
  });
});

test('a gid and a name stand in the path as they are, whatever they hold', async () => {
  service.answer = json(view);
  await client.get('a/b?c#d e');
  await client.putComponent('../x', { url: 'http://127.0.0.1/x' });
  expect(service.asked.map(({ path }) => path)).toEqual([
    '/v1/transactions/a%2Fb%3Fc%23d%20e',
    '/v1/components/..%2Fx',
  ]);
});

describe('settings', () => {
  const { TERCET_URL, TERCET_KEY } = process.env;
  afterEach(() => {
    for (const [name, value] of Object.entries({ TERCET_URL, TERCET_KEY })) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  test('the address and the key come from the environment, unless they are given', async () => {
    process.env['TERCET_URL'] = `${service.url}/behind/a/proxy//`;
    process.env['TERCET_KEY'] = 'from-environment';
    await new TercetClient().get('one');
    await new TercetClient({ url: `${service.url}/`, key: 'given' }).get('two');
    delete process.env['TERCET_KEY'];
    await new TercetClient({ url: service.url }).get('three');
    expect(service.asked.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ['/behind/a/proxy/v1/transactions/one', 'Bearer from-environment'],
      ['/v1/transactions/two', 'Bearer given'],
      ['/v1/transactions/three', undefined],
    ]);
  });

  test('without any, it is the coordinator of this machine', () => {
    delete process.env['TERCET_URL'];
    expect(new TercetClient().url).toBe('http://127.0.0.1:8372');
  });

  test.each(['127.0.0.1:8372', 'localhost:8372', 'coordinator', 'ftp://127.0.0.1', ''])(
    "'%s' is no address, which is said at once",
    (url) => {
      expect(() => new TercetClient({ url })).toThrow(
        new TypeError(`the coordinator's URL is '${url}'; it must be an http or https URL`),
      );
    },
  );
});

test('the trace context is asked for each request, and sent', async () => {
  const contexts = ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', undefined];
  const client = clientOf({ traceparent: () => contexts.shift() });
  service.answer = json(view);
  await client.get('order-17');
  await client.get('order-17');
  expect(service.asked.map(({ headers }) => headers['traceparent'])).toEqual([
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    undefined,
  ]);
});

test('requests leave nothing behind in a signal that lives longer than they, and many at a time are no warning', async () => {
  const living = new AbortController();
  service.answer = json(view);
  const get = (): Promise<unknown> => client.get('order-17', { signal: living.signal });
  await Promise.all(Array.from({ length: 20 }, get));
  await get();
  expect(getEventListeners(living.signal, 'abort')).toHaveLength(0);
  expect(dependants(living.signal)).toBe(0);
  expect(getMaxListeners(living.signal)).toBe(Infinity);
});

/** What AbortSignal.any keeps in a signal. */
function dependants(signal: AbortSignal): number {
  const kept = Object.getOwnPropertySymbols(signal).find((symbol) => symbol.description === 'kDependantSignals');
  return kept ? ((signal as unknown as Record<symbol, Set<unknown> | undefined>)[kept]?.size ?? 0) : 0;
}
