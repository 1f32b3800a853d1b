/** docs/fence.md: its SQL runs as printed, every row of its table holds, and the SDK does the same. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { fence, FENCE_SCHEMA, Pending, Refused, TercetError } from '../../src/client/index.js';
import type { Executor, FencedCall, Json, Op } from '../../src/client/index.js';
import * as statements from '../../src/client/fence/statements.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { answerTo, asInSaga, endPending, followed, RULES, SQL } from './plain-service.js';
import type { Answer, GuardedCall } from './plain-service.js';

const { BOUND, TRY, CONFIRM, CANCEL_FIRST, CANCEL, LOOK, RECORD, PURGE, PROBE, HOLD_HORIZON } = statements;
const PRINTED = { BOUND, TRY, CONFIRM, CANCEL_FIRST, CANCEL, LOOK, RECORD, PURGE, PROBE, HOLD_HORIZON };
const HOUR_MS = 3_600_000;

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await createDatabase();
  pool = new pg.Pool({ connectionString: database.url });
  pool.on('error', () => undefined);
  await pool.query(SQL.get('S0') ?? '');
  await pool.query('CREATE TABLE effect (id serial PRIMARY KEY, gid text NOT NULL, what text NOT NULL)');
  // Whatever began more than two hours ago may have been purged.
  await pool.query(SQL.get('S8') ?? '', [new Date(Date.now() - 2 * HOUR_MS).toISOString(), 100]);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

test('the tables and the statements are those of the SDK, each printed once, and none is missing', () => {
  expect(new Set(Object.values(PRINTED))).toEqual(new Set(Object.values(statements)));
  const own = [FENCE_SCHEMA, ...Object.values(PRINTED)].map((text) => text.trim());
  expect([...SQL.values()].sort()).toEqual(own.sort());
  expect([...SQL.keys()].sort()).toEqual(['S0', 'S1', 'S10', 'S2', 'S3', 'S4', 'S5', 'S6', 'S7', 'S8', 'S9']);
});

type Ending = 'work' | 'pending' | 'no';

/** A service's way to handle one call; commits or rolls back as its documentation says. */
type Service = (call: GuardedCall, ending?: Ending, between?: () => Promise<void>) => Promise<Omit<Answer, 'commit'>>;
type End = (call: FencedCall, state: 'done' | 'refused', reply: Json) => Promise<boolean>;

async function effect(executor: Executor, { gid, op }: GuardedCall): Promise<Json> {
  await executor.query('INSERT INTO effect (gid, what) VALUES ($1, $2)', [gid, op]);
  return { did: op };
}

/** Something else happens just before the row is looked at. */
function interrupted(client: pg.PoolClient, between: (() => Promise<void>) | undefined): Executor {
  return {
    async query(text, values) {
      if (text.trim() === LOOK.trim()) await between?.();
      return client.query(text, values as unknown[]);
    },
  };
}

async function inTransaction<T>(work: (client: pg.PoolClient) => Promise<{ commit: boolean; value: T }>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    const { commit, value } = await work(client);
    await client.query(commit ? 'COMMIT' : 'ROLLBACK');
    return value;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

const refusal = 'the shop is closed';

const plain: Service = (call, ending = 'work', between) =>
  inTransaction(async (client) => {
    let isRefused = false;
    const run = async (): Promise<Json> => {
      isRefused = ending === 'no';
      return effect(client, call);
    };
    const answer = await answerTo(interrupted(client, between), call, { run, isPending: ending === 'pending' });
    const { commit, status, body } = isRefused ? { commit: false, status: 409, body: { reason: refusal } } : answer;
    return { commit, value: { status, body } };
  });

/** The two sides of a message, as the SDK has them. */
async function ofMessage(
  client: pg.PoolClient,
  executor: Executor,
  call: GuardedCall,
): Promise<Omit<Answer, 'commit'>> {
  if (call.op === 'local') {
    if (await fence.local(executor, call)) await effect(client, call);
    return { status: 200, body: null };
  }
  const answer = await fence.check(executor, call);
  return answer.kind === 'committed' ? { status: 200, body: null } : { status: 409, body: { reason: answer.reason } };
}

const sdk: Service = (call, ending = 'work', between) =>
  inTransaction(async (client) => {
    const { op } = call;
    const executor = interrupted(client, between);
    if (op === 'local' || op === 'check') return { commit: true, value: await ofMessage(client, executor, call) };
    const answer = await fence.run(executor, { ...call, op }, async () => {
      const reply = await effect(client, call);
      if (ending === 'no') throw new Refused(refusal);
      return ending === 'pending' ? new Pending() : reply;
    });
    const value = answer.kind === 'done' ? { status: 200, body: answer.reply } : { status: 425, body: null };
    return { commit: true, value };
  }).catch((error: unknown) => {
    if (error instanceof Refused) return { status: 409, body: { reason: error.reason } };
    if (!(error instanceof TercetError)) throw error;
    const reason = /^message '.*': (.*); nothing was done/.exec(error.detail)?.[1];
    if (reason !== undefined) return { status: error.status, body: { reason } };
    return { status: error.status, body: error.status === 425 ? null : { code: error.code } };
  });

const plainEnd: End = (call, state, reply) =>
  inTransaction(async (client) => {
    await effect(client, call);
    const value = await endPending(client, call, state, reply);
    return { commit: value, value };
  });

const sdkEnd: End = async (call, state, reply) => {
  const ending = inTransaction(async (client) => {
    await effect(client, call);
    if (state === 'done') await fence.complete(client, call, reply);
    else await fence.refuse(client, call, typeof reply === 'string' ? reply : '');
    return { commit: true, value: true };
  });
  return ending.catch(() => false);
};

const SERVICES = { plain: { handle: plain, end: plainEnd }, SDK: { handle: sdk, end: sdkEnd } };
type Kind = keyof typeof SERVICES;
const PAIRS: [Kind, Kind][] = [
  ['plain', 'plain'],
  ['plain', 'SDK'],
  ['SDK', 'plain'],
  ['SDK', 'SDK'],
];

interface Scene {
  /** The service that handled the earlier calls. */
  readonly first: (typeof SERVICES)[Kind];
  readonly call: <O extends Op | 'local'>(op: O) => GuardedCall & { op: O };
}

interface Case {
  /** What came before. */
  readonly before?: (scene: Scene) => Promise<unknown>;
  readonly op: GuardedCall['op'];
  readonly isOld?: true;
  /** What comes between the statements of the call. */
  readonly between?: (scene: Scene) => Promise<unknown>;
  /** What the call answers. */
  readonly answer: Omit<Answer, 'commit'>;
  /** All that took effect. */
  readonly effects: string[];
}

const handled =
  (...calls: [GuardedCall['op'], Ending?][]) =>
  async ({ first, call }: Scene): Promise<void> => {
    for (const [op, ending] of calls) await first.handle(call(op), ending);
  };
const remove = ({ call }: Scene): Promise<unknown> =>
  pool.query('DELETE FROM tercet_fence WHERE gid = $1', [call('try').gid]);
/** A purge in the very moment: younger than those of other tests, older than what comes later. */
const purge = ({ call }: Scene): Promise<unknown> =>
  pool.query(SQL.get('S8') ?? '', [new Date(Date.parse(call('try').beganAt) + 1).toISOString(), 100]);

const tooOld = { status: 409, body: { reason: 'the transaction is too old to begin work for' } };
const again = { status: 425, body: null };
const coded = (code: string): Case['answer'] => ({ status: 500, body: { code: `TERCET_FENCE_${code}` } });
const did = (op: string): Case['answer'] => ({ status: 200, body: { did: op } });
const tooOldMessage: Case['answer'] = { status: 409, body: { reason: 'the message is too old to begin work for' } };
const committed: Case['answer'] = { status: 200, body: null };
const notCommitted: Case['answer'] = { status: 409, body: { reason: 'the local transaction did not commit' } };
const refused = async ({ first, call }: Scene): Promise<void> => {
  await first.handle(call('try'), 'pending');
  await first.end(call('try'), 'refused', 'sold out');
};

/** Each row of the table, by its name. */
const CASES: Record<string, Case[]> = {
  T1: [{ op: 'try', isOld: true, answer: tooOld, effects: [] }],
  T2: [
    { op: 'try', answer: did('try'), effects: ['try'] },
    { before: handled(['try', 'no']), op: 'try', answer: did('try'), effects: ['try'] },
  ],
  T3: [{ before: handled(['try']), op: 'try', between: purge, answer: tooOld, effects: ['try'] }],
  T4: [{ before: handled(['try']), op: 'try', between: remove, answer: again, effects: ['try'] }],
  T5: [
    {
      before: handled(['cancel']),
      op: 'try',
      answer: { status: 409, body: { reason: 'the branch was cancelled before this try came' } },
      effects: [],
    },
  ],
  T6: [{ before: handled(['try'], ['confirm']), op: 'try', answer: did('try'), effects: ['try', 'confirm'] }],
  T7: [{ before: handled(['try', 'pending']), op: 'try', answer: again, effects: ['try'] }],
  T8: [
    {
      before: refused,
      op: 'try',
      answer: { status: 409, body: { reason: 'sold out' } },
      effects: ['try', 'try'],
    },
  ],
  T9: [
    { before: handled(['try']), op: 'try', answer: did('try'), effects: ['try'] },
    {
      before: async ({ first, call }) => {
        await first.handle(call('try'), 'pending');
        await first.end(call('try'), 'done', { did: 'later' });
      },
      op: 'try',
      answer: did('later'),
      effects: ['try', 'try'],
    },
  ],
  F1: [{ before: handled(['try']), op: 'confirm', answer: did('confirm'), effects: ['try', 'confirm'] }],
  F2: [{ op: 'confirm', isOld: true, answer: coded('PURGED'), effects: [] }],
  F3: [{ op: 'confirm', answer: coded('TRY_MISSING'), effects: [] }],
  F4: [{ before: handled(['try'], ['confirm', 'pending']), op: 'confirm', answer: again, effects: ['try', 'confirm'] }],
  F5: [{ before: handled(['try'], ['confirm']), op: 'confirm', answer: did('confirm'), effects: ['try', 'confirm'] }],
  F6: [{ before: handled(['try', 'pending']), op: 'confirm', answer: again, effects: ['try'] }],
  F7: [{ before: refused, op: 'confirm', answer: coded('TRY_MISSING'), effects: ['try', 'try'] }],
  F8: [{ op: 'confirm', between: handled(['try']), answer: again, effects: ['try'] }],
  F9: [
    { before: handled(['try'], ['cancel']), op: 'confirm', answer: coded('ENDED'), effects: ['try', 'cancel'] },
    { before: handled(['cancel']), op: 'confirm', answer: coded('ENDED'), effects: [] },
  ],
  C1: [{ op: 'cancel', isOld: true, answer: coded('PURGED'), effects: [] }],
  C2: [
    { op: 'cancel', answer: { status: 200, body: null }, effects: [] },
    { before: handled(['try', 'no']), op: 'cancel', answer: { status: 200, body: null }, effects: [] },
  ],
  C3: [{ before: handled(['cancel']), op: 'cancel', between: purge, answer: coded('PURGED'), effects: [] }],
  C4: [{ before: handled(['cancel']), op: 'cancel', between: remove, answer: again, effects: [] }],
  C5: [{ before: refused, op: 'cancel', answer: { status: 200, body: null }, effects: ['try', 'try'] }],
  C6: [
    { before: handled(['try']), op: 'cancel', answer: did('cancel'), effects: ['try', 'cancel'] },
    { before: handled(['try', 'pending']), op: 'cancel', answer: did('cancel'), effects: ['try', 'cancel'] },
  ],
  C7: [{ before: handled(['try'], ['cancel', 'pending']), op: 'cancel', answer: again, effects: ['try', 'cancel'] }],
  C8: [
    { before: handled(['try'], ['cancel']), op: 'cancel', answer: did('cancel'), effects: ['try', 'cancel'] },
    { before: handled(['cancel']), op: 'cancel', answer: { status: 200, body: null }, effects: [] },
  ],
  C9: [{ before: handled(['try'], ['confirm']), op: 'cancel', answer: coded('ENDED'), effects: ['try', 'confirm'] }],
  D1: [{ op: 'deliver', isOld: true, answer: coded('PURGED'), effects: [] }],
  D2: [{ op: 'deliver', answer: did('deliver'), effects: ['deliver'] }],
  D3: [{ before: handled(['deliver']), op: 'deliver', between: purge, answer: coded('PURGED'), effects: ['deliver'] }],
  D4: [{ before: handled(['deliver']), op: 'deliver', between: remove, answer: again, effects: ['deliver'] }],
  D5: [{ before: handled(['deliver', 'pending']), op: 'deliver', answer: again, effects: ['deliver'] }],
  D6: [{ before: handled(['deliver']), op: 'deliver', answer: did('deliver'), effects: ['deliver'] }],
  L1: [{ op: 'local', isOld: true, answer: tooOldMessage, effects: [] }],
  L2: [{ op: 'local', answer: committed, effects: ['local'] }],
  L3: [{ before: handled(['local']), op: 'local', between: purge, answer: tooOldMessage, effects: ['local'] }],
  L4: [{ before: handled(['local']), op: 'local', between: remove, answer: again, effects: ['local'] }],
  L5: [
    {
      before: handled(['check']),
      op: 'local',
      answer: { status: 409, body: { reason: 'the message was rolled back by a check before this came' } },
      effects: [],
    },
  ],
  L6: [{ before: handled(['local']), op: 'local', answer: committed, effects: ['local'] }],
  K1: [{ op: 'check', isOld: true, answer: coded('PURGED'), effects: [] }],
  K2: [{ op: 'check', answer: notCommitted, effects: [] }],
  K3: [{ before: handled(['local']), op: 'check', between: purge, answer: coded('PURGED'), effects: ['local'] }],
  K4: [{ before: handled(['local']), op: 'check', between: remove, answer: again, effects: ['local'] }],
  K5: [{ before: handled(['check']), op: 'check', answer: notCommitted, effects: [] }],
  K6: [{ before: handled(['local']), op: 'check', answer: committed, effects: ['local'] }],
};

async function effects(gid: string): Promise<string[]> {
  const { rows } = await pool.query<{ what: string }>('SELECT what FROM effect WHERE gid = $1 ORDER BY id', [gid]);
  return rows.map(({ what }) => what);
}

test('the table names each case once, and no row of it is left untried', () => {
  expect(RULES.map(({ name }) => name)).toEqual(Object.keys(CASES));
});

describe.each(PAIRS)('a service with the fence of %s SQL, then %s', (first, second) => {
  const follow = async (name: string, words = (text: string): string => text): Promise<void> => {
    for (const { before, op, isOld, between, answer, effects: expected } of CASES[name] ?? []) {
      const gid = randomUUID();
      const beganAt = new Date(Date.now() - (isOld ? 3 * HOUR_MS : 0)).toISOString();
      const call: Scene['call'] = (each) => {
        const branchId = each === 'local' || each === 'check' ? 'check' : 'a';
        return { gid, branchId, op: words(each) as typeof each, beganAt };
      };
      const scene: Scene = { first: SERVICES[first], call };
      await before?.(scene);
      const meanwhile = between && (async (): Promise<void> => void (await between(scene)));
      const told = await SERVICES[second].handle(scene.call(op), 'work', meanwhile);
      const right: unknown = JSON.parse(words(JSON.stringify({ told: answer, effects: expected })));
      expect({ told, effects: await effects(gid) }).toEqual(right);
      if (second === 'plain') expect(followed.at(-1)).toBe(name);
    }
  };
  test.each(Object.keys(CASES))('%s', (name) => follow(name));
  // Of a saga there is nothing to confirm.
  test.each(Object.keys(CASES).filter((name) => !/^[FDLK]|T6|C9/.test(name)))('%s in a saga', (name) =>
    follow(name, asInSaga),
  );

  test('work that outlives its call cannot end when a cancel came meanwhile, or twice', async () => {
    const gid = randomUUID();
    const beganAt = new Date().toISOString();
    const call = (op: Op): FencedCall => ({ gid, branchId: 'a', op, beganAt });
    await SERVICES[first].handle(call('try'), 'pending');
    await SERVICES[first].handle(call('cancel'));
    expect(await SERVICES[second].end(call('try'), 'done', null)).toBe(false);
    const other = { ...call('try'), branchId: 'b' };
    await SERVICES[first].handle(other, 'pending');
    expect(await SERVICES[second].end(other, 'done', null)).toBe(true);
    expect(await SERVICES[second].end(other, 'done', null)).toBe(false);
    expect(await effects(gid)).toEqual(['try', 'cancel', 'try', 'try']);
  });

  test('waits for the open transaction of the other, so long as it may', async () => {
    const gid = randomUUID();
    const call = (op: Op): FencedCall => ({
      gid,
      branchId: 'a',
      op,
      beganAt: new Date().toISOString(),
      timeoutMs: 100,
    });
    let told: unknown;
    // The try has inserted its row and not committed when the cancel comes.
    await SERVICES[first].handle(call('try'), 'work', async () => {
      told = await SERVICES[second].handle(call('cancel')).catch((error: unknown) => error);
    });
    expect(told).toMatchObject(second === 'SDK' ? { status: 425 } : { code: '55P03' });
    expect(await effects(gid)).toEqual(['try']);
  });
});

test('without an open transaction nothing is recorded, and S6 says so', async () => {
  const client = await pool.connect();
  try {
    const call: FencedCall = { gid: randomUUID(), branchId: 'a', op: 'try', beganAt: new Date().toISOString() };
    const work = { run: () => effect(client, call), isPending: false };
    expect(await answerTo(client, call, work)).toEqual({ status: 500, body: null, commit: false });
    const { rows } = await pool.query('SELECT 1 FROM tercet_fence WHERE gid = $1', [call.gid]);
    expect([rows, await effects(call.gid)]).toEqual([[], []]);
  } finally {
    client.release();
  }
});

describe('what the document says of PostgreSQL', () => {
  test('S10 fails where the horizon has moved since the snapshot', async () => {
    const client = await pool.connect();
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await client.query(SQL.get('S9') ?? '');
      await pool.query(SQL.get('S8') ?? '', [new Date(Date.now() - HOUR_MS).toISOString(), 100]);
      await expect(client.query(SQL.get('S10') ?? '')).rejects.toMatchObject({ code: '40001' });
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  test('a COMMIT after an error that the work hid says nothing of it; S7 and S9 do', async () => {
    const client = await pool.connect();
    try {
      for (const statement of ['S7', 'S9']) {
        await client.query('BEGIN');
        await client.query('SELECT 1 / 0').catch(() => undefined);
        const values = statement === 'S7' ? ['g', 'b', 'try', 'done', 'done', null] : [];
        await expect(client.query(SQL.get(statement) ?? '', values)).rejects.toMatchObject({ code: '25P02' });
        expect((await client.query('COMMIT')).command).toBe('ROLLBACK');
      }
    } finally {
      client.release();
    }
  });
});
