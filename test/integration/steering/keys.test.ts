/** Each key does what the table says of its kind, on running nodes. One without a proof fails. */
import type { CallRequest, Participants } from '../../../src/engine/ports.js';
import { COMPONENT_KEYS, NODE_KEYS } from '../../../src/steering/keys.js';
import type { Key } from '../../../src/steering/keys.js';
import type { Json } from '../../../src/protocol/words.js';
import { until } from '../../client/until.js';
import { ACCEPTED, messageRequest, request } from '../engine/node.js';
import { Steerage } from './follower.js';
import { PROOFS } from './live-proofs.js';
import { release } from './releases.js';

const ALL: readonly (readonly [string, Key])[] = [
  ...Object.entries(NODE_KEYS),
  ...Object.entries(COMPONENT_KEYS).map(([path, key]) => [`components.NAME.${path}`, key] as const),
];
const PINNED = ALL.filter(([, { kind }]) => kind === 'pinned').map(([path]) => path.slice('components.NAME.'.length));

test('the proofs are of keys that there are', () => {
  const unpinned = ALL.filter(([, { kind }]) => kind !== 'pinned').map(([path]) => path);
  expect(Object.keys(PROOFS).sort()).toEqual([...unpinned].sort());
});

test.each(ALL.filter(([, { kind }]) => kind !== 'pinned').map(([path, { kind }]) => [path, kind]))(
  '%s is %s',
  async (path) => {
    const prove = PROOFS[path];
    if (!prove) throw new Error(`${path} has no proof`);
    await prove();
  },
  60_000,
);

/** A value that fits, other than the default, and another one for each `turn`. */
function valueOf(path: string, turn: number): Json {
  if (path === 'retry.jitter') return 0.5 + turn / 10;
  if (path === 'retry.factor') return 3 + turn;
  return 100_000 + turn;
}

/** All pinned values of a component at once. */
function contentOf(turn: number): Json {
  const component: Record<string, Json> = {};
  for (const path of PINNED) {
    const [group = '', field] = path.split('.');
    const value = /tryAttempts|maxAttempts/.test(path) ? 100 + turn : valueOf(path, turn);
    if (field === undefined) component[group] = value;
    else component[group] = { ...(component[group] as Record<string, Json> | undefined), [field]: value };
  }
  return { components: { service: component } };
}

/** A value by its path. */
const at = (from: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((found, name) => (found as Record<string, unknown> | undefined)?.[name], from);

describe('pinned', () => {
  let steerage: Steerage;
  let asked: { node: string; gid: string; component: unknown }[];
  let checks: Record<string, unknown>;

  /** Answers nothing but that it is not done yet. */
  const pending = (node: string): Participants => ({
    call: async (call: CallRequest) => {
      const { tx, component } = call;
      if (call.mayLeave()) asked.push({ node, gid: tx.gid, component });
      return { kind: 'pending', retryAfterMs: 50 };
    },
    prepare: () => ({ url: '', headers: {}, body: '' }),
  });

  const lastOf = async (node: string, gid: string): Promise<unknown> => {
    const before = asked.length;
    const newOnes = () => asked.slice(before).filter((one) => one.node === node && one.gid === gid);
    await until(`${gid} is called by ${node}`, async () => newOnes().length > 0);
    return newOnes().at(-1)?.component;
  };
  const seen: Record<string, unknown> = {};

  beforeAll(async () => {
    asked = [];
    steerage = await Steerage.create();
    await release(steerage.sql, contentOf(1));
    const north = await steerage.engine('north', pending('north'));
    const begin = async (gid: string): Promise<void> => {
      await north.engine.coordinator.begin(request(gid, 1, { deadlineMs: null }), ACCEPTED);
      const { tx } = await north.engine.coordinator.begin(messageRequest(`${gid}-message`, 1, {}), ACCEPTED);
      checks = { ...checks, [gid]: tx.message?.check };
    };
    await begin('before');
    const second = await release(steerage.sql, contentOf(2));
    await until('the second is in use', async () => north.config.steering.inForce.release === second);
    await begin('after');
    for (const gid of ['before', 'after']) seen[`north ${gid}`] = await lastOf('north', gid);
    // Never knew the first release; by now it is not in force.
    await steerage.engine('south', pending('south'));
    await north.stop();
    for (const gid of ['before', 'after']) seen[`south ${gid}`] = await lastOf('south', gid);
  }, 60_000);

  afterAll(() => steerage.end());

  test.each(PINNED)(
    '%s: what began before keeps it, also after another node took it over; what begins after has the new one',
    (path) => {
      const [first, second] = [1, 2].map((turn) => at(contentOf(turn), `components.service.${path}`));
      expect(first).not.toEqual(second);
      for (const node of ['north', 'south']) {
        expect([node, at(seen[`${node} before`], path), at(seen[`${node} after`], path)]).toEqual([
          node,
          first,
          second,
        ]);
      }
    },
  );

  test('a half message is asked after by what it began under', () => {
    const checkOf = (turn: number): unknown => at(contentOf(turn), 'components.service.check');
    // The sample says itself when it is asked first.
    expect(checks).toEqual({
      before: { ...(checkOf(1) as object), afterMs: 3_600_000 },
      after: { ...(checkOf(2) as object), afterMs: 3_600_000 },
    });
  });
});

test('the attempts of a try are those that the release allowed under which its transaction began', async () => {
  const steerage = await Steerage.create();
  const tries: string[] = [];
  const policy = (tryAttempts: number): Json => {
    return { components: { service: { retry: { tryAttempts, baseMs: 1, capMs: 1 } } } };
  };
  let go = (): void => undefined;
  const hold = new Promise<void>((resolve) => (go = resolve));
  const participants: Participants = {
    call: async ({ tx, op }: CallRequest) => {
      if (op !== 'try') return { kind: 'done', reply: null };
      tries.push(tx.gid);
      await hold;
      return { kind: 'unknown', detail: 'no answer' };
    },
    prepare: () => ({ url: '', headers: {}, body: '' }),
  };
  await release(steerage.sql, policy(2));
  const { config, engine } = await steerage.engine('north', participants);
  await engine.coordinator.begin(request('before', 1), ACCEPTED);
  const second = await release(steerage.sql, policy(4));
  await until('the second is in use', async () => config.steering.inForce.release === second);
  await engine.coordinator.begin(request('after', 1), ACCEPTED);
  go();
  for (const gid of ['before', 'after']) {
    await until(`${gid} is aborted`, async () => (await engine.coordinator.get(gid, null)).status === 'aborted');
  }
  expect(['before', 'after'].map((gid) => tries.filter((one) => one === gid).length)).toEqual([2, 4]);
  await steerage.end();
});
