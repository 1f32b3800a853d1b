/** What every transaction log does. Run against PostgreSQL, and against the log in memory that the simulation uses. */
import { decide } from '../../src/domain/transaction.js';
import type { Branch } from '../../src/domain/transaction.js';
import { EpochOver, MemberDead } from '../../src/engine/ports.js';
import type { Held, ListFilter, Member, TimelineEvent, TransactionLog } from '../../src/engine/ports.js';
import { branch, ended, newGid, parked, transaction } from './sample.js';

const LEASE_MS = 60_000;
const HASH = 'a'.repeat(64);
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-0000000000000000';

export interface Cluster {
  /** The log as one more node sees it. */
  node(): TransactionLog;
  /** The member's lease has run out; nobody has noticed yet. */
  expire(member: Member): Promise<void>;
  /** Another epoch of the configuration comes into force. */
  toEpoch(epoch: number): Promise<void>;
}

/** @param open called before each test; gives an empty log */
export function describeTransactionLog(name: string, open: () => Promise<Cluster>, close: () => Promise<void>): void {
  describe(`transaction log: ${name}`, () => {
    let cluster: Cluster;
    let log: TransactionLog;
    let member: Member;
    let other: TransactionLog;
    let stranger: Member;

    beforeEach(async () => {
      cluster = await open();
      log = cluster.node();
      other = cluster.node();
      member = await log.join('north', LEASE_MS);
      stranger = await other.join('south', LEASE_MS);
    });
    afterEach(() => close());

    const begin = async (tx = transaction()): Promise<Held> => (await log.insert(member, tx, HASH)).held;
    const saved = async (held: Held, tx = held.tx, events: TimelineEvent[] = []): Promise<Held> => {
      const result = await log.save(held, tx, events);
      if (result === 'lost') throw new Error('the save was lost');
      return result;
    };
    const event = (detail: string): TimelineEvent => ({ at: 1_767_323_045_678, node: 'north', kind: 'call', detail });
    const initiated = (branches = [branch('a')]) => transaction({ drive: 'initiator', branches });

    describe('begin', () => {
      test('nothing is begun under another epoch than the one in force, and what is there is told under that one alone', async () => {
        const tx = transaction();
        await log.insert(member, tx, HASH, [], 0);
        await cluster.toEpoch(3);
        await expect(log.insert(member, transaction(), HASH, [], 2)).rejects.toThrow(EpochOver);
        await expect(log.insert(member, transaction(), HASH)).rejects.toThrow(EpochOver);
        await expect(log.insert(member, tx, HASH, [], 2)).rejects.toThrow(EpochOver);
        expect(await log.insert(member, tx, HASH, [], 3)).toMatchObject({ inserted: false, sameContent: true });
        expect(await log.insert(member, transaction(), HASH, [], 3)).toMatchObject({ inserted: true });
        // Of two that go out with one flush each stands for itself.
        const both = [transaction(), transaction()].map((one, index) => log.insert(member, one, HASH, [], 2 + index));
        const results = await Promise.allSettled(both);
        expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
      });

      test('a transaction is read back as it was given, payloads to the letter', async () => {
        const payload = '{ "amount":1.50, "__proto__": {"é": "\\u0000 \\ud800 😀\\n"}, "big": 9007199254740991 }';
        const tx = transaction({
          businessKey: `customer 'ü' "4711" \\`,
          deadlineAt: 1_767_323_999_001,
          trace: TRACE,
          release: 7,
          branches: [branch('b', { payload }), branch('a', { payload: 'null', component: 'x' })],
        });
        expect(await log.insert(member, tx, HASH)).toEqual({
          inserted: true,
          sameContent: true,
          held: { tx, owner: member.id, epoch: 1, version: 1 },
        });
        expect(await other.get(tx.gid)).toEqual({ tx, owner: member.id, epoch: 1, version: 1 });
        expect(await other.contentHash(tx.gid)).toBe(HASH);
      });

      test('a thousand branches keep their order, and none is an order too', async () => {
        const many = transaction({ branches: Array.from({ length: 1000 }, (_, index) => branch(`b${index}`)) });
        await begin(many);
        expect((await log.get(many.gid))?.tx).toEqual(many);
        const none = transaction({ drive: 'initiator', branches: [] });
        await begin(none);
        expect((await log.get(none.gid))?.tx).toEqual(none);
      });

      test('a gid that is there changes nothing, and what is recorded comes back', async () => {
        const first = await begin();
        const { gid } = first.tx;
        const again = transaction({ gid, branches: [branch('z')], businessKey: 'other' });
        expect(await other.insert(stranger, again, HASH)).toEqual({ inserted: false, held: first, sameContent: true });
        expect(await other.insert(stranger, again, 'b'.repeat(64))).toMatchObject({
          inserted: false,
          sameContent: false,
        });
        expect(await log.get(gid)).toEqual(first);
        expect(await log.contentHash(gid)).toBe(HASH);
      });

      test('of many that begin one gid at once on two nodes exactly one does', async () => {
        const gid = newGid();
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, index) => {
            const tx = transaction({ gid, branches: [branch(`b${index}`)] });
            return index % 2 ? log.insert(member, tx, `${index}`) : other.insert(stranger, tx, `${index}`);
          }),
        );
        expect(answers.filter(({ inserted }) => inserted)).toHaveLength(1);
        expect(answers.filter(({ sameContent }) => sameContent)).toHaveLength(1);
        const there = await log.get(gid);
        expect(there?.tx.branches).toHaveLength(1);
        for (const { held } of answers) expect(held).toEqual(there);
      });

      test('a member that was declared dead, or has left, begins nothing', async () => {
        await cluster.expire(member);
        await other.takeOver(stranger, 10);
        const tx = transaction();
        await expect(log.insert(member, tx, HASH)).rejects.toThrow(MemberDead);
        expect(await log.get(tx.gid)).toBeNull();
        await other.leave(stranger);
        await expect(other.insert(stranger, tx, HASH)).rejects.toThrow(MemberDead);
      });
    });

    describe('sagas', () => {
      const plan = { after: [] as number[], compensate: true, pivot: false };
      const own = { timeoutMs: 40, deadlineMs: 900, retry: { tryAttempts: 5 }, compensateRetry: { factor: 1.5 } };
      const waiting = { state: 'waiting' as const, since: null };
      const graph = transaction({
        mode: 'saga',
        plan: { recovery: 'backward', parallel: 7 },
        branches: [
          branch('a', { plan, span: { from: 1, to: null } }),
          branch('b', { plan: { ...plan, after: [0], ...own }, ...waiting }),
          branch('c', { plan: { ...plan, after: [0], compensate: false }, ...waiting }),
          branch('d', { plan: { ...plan, after: [1, 2], pivot: true }, ...waiting }),
        ],
      });
      const [a, b, c, d] = graph.branches as [Branch, Branch, Branch, Branch];

      test('the graph, what a branch has of its own, and when each ran are read back at every step', async () => {
        let held = await begin({ ...graph, gid: newGid() });
        expect(await other.get(held.tx.gid)).toEqual(held);
        const at = graph.beganAt + 40;
        const done = { ...a, state: 'done' as const, attempts: 1, reply: '{"id":7}', span: { from: 1, to: 2 } };
        const started = {
          ...b,
          state: 'started' as const,
          since: at,
          retryAt: at + 9,
          attempts: 1,
          span: { from: 3, to: null },
        };
        const unresolvable = { ...c, gaveUp: 'the payload refers to nothing' };
        held = await saved(held, { ...held.tx, branches: [done, started, unresolvable, d] });
        expect(await other.get(held.tx.gid)).toEqual(held);
        held = await saved(held, { ...decide(held.tx, 'abort', null, at + 5), endedAt: null });
        expect(await other.get(held.tx.gid)).toEqual(held);
        const undone = held.tx.branches.map((each) => (each.span ? { ...each, state: 'compensated' as const } : each));
        held = await saved(held, { ...held.tx, status: 'aborted', endedAt: at + 9, branches: undone });
        expect(await other.get(held.tx.gid)).toEqual(held);
        expect((await other.list({ limit: 10 })).items.map(({ tx }) => tx.plan)).toContainEqual(graph.plan);
      });

      test('what may have been called ahead of it is kept, and so is how far its compensation came', async () => {
        const [first, ...rest] = ['a', 'b', 'c'].map((id, index) =>
          branch(id, { plan: { ...plan, after: index === 0 ? [] : [index - 1] }, ...waiting, ahead: true }),
        ) as [Branch, Branch, Branch];
        const started = { ...first, state: 'started' as const, span: { from: 1, to: null }, ahead: false };
        let held = await begin({ ...graph, gid: newGid(), branches: [started, ...rest] });
        expect((await other.get(held.tx.gid))?.tx.branches.map(({ ahead }) => ahead)).toEqual([false, true, true]);
        held = await saved(held, decide(held.tx, 'abort', null, graph.beganAt + 5));
        expect(await other.get(held.tx.gid)).toEqual(held);
        const [, b2, c2] = held.tx.branches as [Branch, Branch, Branch];
        const failing = { ...c2, attempts: 1, since: graph.beganAt + 6, retryAt: graph.beganAt + 90 };
        held = await saved(held, { ...held.tx, branches: [started, b2, failing] });
        expect(await other.get(held.tx.gid)).toEqual(held);
      });

      test('an abort from outside keeps when each ran, and nothing is due before its turn', async () => {
        const { tx } = await begin({ ...graph, gid: newGid() });
        const answer = await other.decide(stranger, tx, 'abort', null, tx.beganAt + 7, []);
        expect(answer?.held.tx).toEqual(decide(tx, 'abort', null, tx.beganAt + 7));
        expect(answer?.held.tx.branches[0]).toMatchObject({ since: null, span: { from: 1, to: null } });
      });

      test('forward recovery is decided from the begin, and told with it', async () => {
        const tx = decide(
          { ...graph, gid: newGid(), plan: { recovery: 'forward', parallel: 1 } },
          'commit',
          null,
          graph.beganAt,
        );
        const inserted = await log.insert(member, tx, HASH, [event('commit')]);
        expect(inserted.held.tx).toEqual(tx);
        expect((await other.get(tx.gid))?.tx).toEqual(tx);
        expect((await log.timeline(tx.gid))?.map(({ kind }) => kind)).toEqual(['begun', 'call']);
        expect(await log.decide(member, tx, 'abort', null, tx.beganAt + 1, [])).toMatchObject({ decided: false });
      });
    });

    describe('save', () => {
      test('everything that a transaction knows is read back', async () => {
        const held = await begin(transaction({ branches: [branch('a'), branch('b'), branch('c')] }));
        const at = held.tx.beganAt + 77;
        const tx = {
          ...held.tx,
          status: 'aborting' as const,
          decision: 'abort' as const,
          reason: { kind: 'refused' as const, branchId: 'b', detail: 'no "stock"\u0000\ud800' },
          parked: { at: at + 1, branchId: 'c', op: 'cancel' as const, why: 'gave up: é' },
          decidedAt: at,
          branches: [
            branch('a', {
              state: 'cancelled',
              attempts: 2,
              tries: 3,
              since: at,
              reply: '{"held": 300, "x":"\\u0000"}',
            }),
            branch('b', { state: 'refused', attempts: 1, since: at + 5, retryAt: at + 900, gaveUp: 'no "stock"' }),
            branch('c', { state: 'started', attempts: 25, since: at, gaveUp: 'cancel failed 25 times\u0000' }),
          ],
        };
        const result = await saved(held, tx);
        expect(result).toEqual({ tx, owner: member.id, epoch: 1, version: 2 });
        expect(await other.get(tx.gid)).toEqual(result);
        const end = { ...tx, status: 'aborted' as const, parked: null, endedAt: at + 10 };
        expect(await other.get(tx.gid)).not.toEqual(await saved(result, end));
        expect((await other.get(tx.gid))?.tx).toEqual(end);
      });

      test('a reply stays while later saves say nothing new of it', async () => {
        const held = await begin();
        const [a, b] = held.tx.branches;
        const replied = await saved(held, { ...held.tx, branches: [{ ...a!, reply: '{"n":1}' }, b!] });
        const later = { ...replied.tx, branches: replied.tx.branches.map((each) => ({ ...each, attempts: 1 })) };
        const latest = await saved(replied, later);
        expect((await other.get(held.tx.gid))?.tx).toEqual(later);
        const both = { ...later, branches: later.branches.map((each) => ({ ...each, reply: '"two"' })) };
        await saved(latest, both);
        expect((await other.get(held.tx.gid))?.tx).toEqual(both);
      });

      test('a write of another owner, epoch or version is lost and changes nothing', async () => {
        const held = await begin();
        const now = await saved(held, { ...held.tx, deadlineAt: held.tx.deadlineAt });
        const end = ended(now.tx);
        for (const stale of [{ owner: stranger.id }, { epoch: 0 }, { epoch: 2 }, { version: 1 }, { version: 3 }]) {
          expect(await log.save({ ...now, ...stale }, end, [event('stale')])).toBe('lost');
        }
        const unknown = transaction();
        expect(await log.save({ ...now, tx: unknown }, unknown, [])).toBe('lost');
        expect(await log.get(held.tx.gid)).toEqual(now);
        expect(await log.timeline(held.tx.gid)).toHaveLength(1);
      });

      test('of many writes from one state exactly one counts', async () => {
        const held = await begin();
        const results = await Promise.all(
          Array.from({ length: 10 }, (_, index) => log.save(held, ended(held.tx), [event(`${index}`)])),
        );
        expect(results.filter((result) => result !== 'lost')).toHaveLength(1);
        expect((await log.get(held.tx.gid))?.version).toBe(2);
        expect(await log.timeline(held.tx.gid)).toHaveLength(2);
      });
    });

    describe('decide', () => {
      test('a decision from outside starts every branch afresh and takes the ownership', async () => {
        const held = await begin();
        const reason = { kind: 'requested' as const, detail: 'changed my mind' };
        const at = held.tx.beganAt + 1234;
        const answer = await other.decide(stranger, held.tx, 'abort', reason, at, [event('abort')]);
        const after = { tx: decide(held.tx, 'abort', reason, at), owner: stranger.id, epoch: 2, version: 2 };
        expect(answer).toEqual({ decided: true, held: after });
        expect(await log.get(held.tx.gid)).toEqual(after);
        expect(await log.save(held, ended(held.tx), [])).toBe('lost');
      });

      test('what the branches had come to before is kept by the decision', async () => {
        const held = await begin(initiated([branch('a'), branch('b'), branch('c')]));
        const since = held.tx.beganAt + 3;
        const [a, b, c] = held.tx.branches;
        const before = await saved(held, {
          ...held.tx,
          branches: [
            { ...a!, state: 'done', attempts: 2, since, reply: '1' },
            { ...b!, retryAt: since, gaveUp: 'x' },
            c!,
          ],
        });
        const at = held.tx.beganAt + 1234;
        const answer = await other.decide(stranger, held.tx, 'commit', null, at, []);
        expect(answer?.held.tx).toEqual(decide(before.tx, 'commit', null, at));
        expect((await log.get(held.tx.gid))?.tx).toEqual(decide(before.tx, 'commit', null, at));
      });

      test('a decision is for ever', async () => {
        const { tx } = await begin();
        const first = await log.decide(member, tx, 'commit', null, tx.beganAt + 1, []);
        const second = await other.decide(stranger, tx, 'abort', { kind: 'operator' }, tx.beganAt + 2, [event('no')]);
        expect(second).toEqual({ decided: false, held: first?.held });
        expect(await log.timeline(tx.gid)).toHaveLength(1);
      });

      test('of commits and aborts at one moment on two nodes, and the deadline of the owner, one is made', async () => {
        for (let round = 0; round < 10; round += 1) {
          const held = await begin(initiated());
          const at = held.tx.beganAt + 1;
          const deadline = decide(held.tx, 'abort', { kind: 'deadline' }, at);
          const [commit, abort, overdue] = await Promise.all([
            other.decide(stranger, held.tx, 'commit', null, at, [event('commit')]),
            log.decide(member, held.tx, 'abort', { kind: 'requested' }, at, [event('abort')]),
            log.save(held, deadline, [event('deadline')]),
          ]);
          const made = [commit?.decided, abort?.decided, overdue !== 'lost'].filter(Boolean);
          expect(made).toHaveLength(1);
          const now = await log.get(held.tx.gid);
          expect(now?.tx.decision).toBe(commit?.decided ? 'commit' : 'abort');
          expect(await log.timeline(held.tx.gid)).toHaveLength(2);
        }
      });
    });

    describe('take', () => {
      test('an unfinished transaction changes its owner and nothing else', async () => {
        const held = await saved(await begin(), parked(transaction({ gid: newGid() }))).catch(() => null);
        expect(held).toBeNull();
        const begun = await begin();
        const stuck = await saved(begun, parked(begun.tx));
        const taken = await other.take(stranger, begun.tx.gid);
        expect(taken).toEqual({ tx: stuck.tx, owner: stranger.id, epoch: 2, version: 3 });
        expect(await log.get(begun.tx.gid)).toEqual(taken);
        expect(await log.save(stuck, ended(stuck.tx), [])).toBe('lost');
      });

      test('one that has ended stays where it is', async () => {
        const begun = await begin();
        const end = await saved(begun, ended(begun.tx));
        expect(await other.take(stranger, begun.tx.gid)).toBeNull();
        expect(await log.get(begun.tx.gid)).toEqual(end);
      });

      test('a member that was declared dead decides and takes nothing', async () => {
        const held = await begin();
        await other.leave(stranger);
        await expect(other.take(stranger, held.tx.gid)).rejects.toThrow(MemberDead);
        await expect(other.decide(stranger, held.tx, 'commit', null, 1, [])).rejects.toThrow(MemberDead);
        await expect(other.takeOver(stranger, 10)).rejects.toThrow(MemberDead);
        expect(await log.get(held.tx.gid)).toEqual(held);
      });
    });

    describe('register', () => {
      test('a branch joins at the end, and whoever did not see it cannot write a decision', async () => {
        const held = await begin(initiated());
        const answer = await other.register(held.tx.gid, branch('0'));
        const tx = { ...held.tx, branches: [branch('a'), branch('0')] };
        expect(answer).toEqual({ result: 'registered', held: { ...held, tx, version: 2 } });
        expect(await log.get(held.tx.gid)).toEqual(answer?.held);
        expect(await log.save(held, ended(held.tx), [])).toBe('lost');
      });

      test('the same again exists, other content conflicts, and neither changes anything', async () => {
        const held = await begin(initiated());
        const answer = await log.register(held.tx.gid, branch('b'));
        expect(await log.register(held.tx.gid, branch('b'))).toEqual({ result: 'exists', held: answer?.held });
        const conflicts = [branch('b', { payload: '{"amount": 300}' }), branch('b', { component: 'stock' })];
        for (const conflicting of conflicts) {
          expect(await log.register(held.tx.gid, conflicting)).toEqual({ result: 'conflict', held: answer?.held });
        }
        const decided = await log.decide(member, held.tx, 'commit', null, held.tx.beganAt, []);
        expect(await log.register(held.tx.gid, branch('b'))).toEqual({ result: 'exists', held: decided?.held });
      });

      test('one that the coordinator drives, or that is decided, is closed', async () => {
        const driven = await begin();
        expect(await log.register(driven.tx.gid, branch('c'))).toEqual({ result: 'closed', held: driven });
        const { tx } = await begin(initiated());
        const decided = await log.decide(member, tx, 'abort', { kind: 'requested' }, tx.beganAt, []);
        expect(await log.register(tx.gid, branch('c'))).toEqual({ result: 'closed', held: decided?.held });
      });

      test('a thousand branches are full', async () => {
        const held = await begin(initiated(Array.from({ length: 999 }, (_, index) => branch(`b${index}`))));
        expect(await log.register(held.tx.gid, branch('last'))).toMatchObject({ result: 'registered' });
        expect(await log.register(held.tx.gid, branch('more'))).toMatchObject({ result: 'full' });
        expect((await log.get(held.tx.gid))?.tx.branches).toHaveLength(1000);
      });

      test('of equal registrations at one moment on two nodes one registers and the others exist', async () => {
        const held = await begin(initiated([]));
        const answers = await Promise.all(
          Array.from({ length: 8 }, (_, index) => (index % 2 ? log : other).register(held.tx.gid, branch('same'))),
        );
        expect(answers.map((answer) => answer?.result).sort()).toEqual([
          ...Array<string>(7).fill('exists'),
          'registered',
        ]);
        expect((await log.get(held.tx.gid))?.tx.branches).toEqual([branch('same')]);
      });

      test('raced against decisions on two nodes: each branch that was registered is in what was decided', async () => {
        for (let round = 0; round < 10; round += 1) {
          const { tx } = await begin(initiated([]));
          const registrations = Array.from({ length: 10 }, (_, index) =>
            (index % 2 ? log : other).register(tx.gid, branch(`b${index}`)),
          );
          await Promise.all(registrations.slice(0, round));
          const [submit, abort, ...registered] = await Promise.all([
            other.decide(stranger, tx, 'commit', null, tx.beganAt + 1, []),
            log.decide(member, tx, 'abort', { kind: 'requested' }, tx.beganAt + 1, []),
            ...registrations,
          ]);
          const winner = submit?.decided ? submit : abort;
          expect([submit?.decided, abort?.decided].filter(Boolean)).toHaveLength(1);
          const joined = registered.flatMap((answer, index) => (answer?.result === 'registered' ? [`b${index}`] : []));
          const closed = registered.filter((answer) => answer?.result === 'closed');
          expect(joined.length + closed.length).toBe(10);
          expect(winner?.held.tx.branches.map(({ branchId }) => branchId).sort()).toEqual(joined.sort());
        }
      });
    });

    test('nothing is known of a gid that was never begun', async () => {
      const gid = newGid();
      expect(await log.get(gid)).toBeNull();
      expect(await log.timeline(gid)).toBeNull();
      expect(await log.contentHash(gid)).toBeNull();
      expect(await log.take(member, gid)).toBeNull();
      expect(await log.register(gid, branch('a'))).toBeNull();
      expect(await log.decide(member, transaction({ gid }), 'commit', null, 1, [])).toBeNull();
    });

    test('the timeline tells everything in order, from the begin on', async () => {
      const begun = await begin();
      const first = await saved(begun, begun.tx, [event('one'), { ...event('two'), count: 3, durationMs: 1.5 }]);
      await saved(first, first.tx, []);
      await other.take(stranger, begun.tx.gid);
      await log.decide(member, begun.tx, 'abort', null, begun.tx.beganAt + 1, [event('three é\u0000')]);
      expect(await other.timeline(begun.tx.gid)).toEqual([
        { at: begun.tx.beganAt, node: 'north', kind: 'begun' },
        event('one'),
        { ...event('two'), count: 3, durationMs: 1.5 },
        event('three é\u0000'),
      ]);
    });

    describe('after the end', () => {
      const finish = async (tx = transaction()): Promise<Held> => {
        const begun = await begin(tx);
        const first = await saved(begun, begun.tx, [event('one')]);
        const decided = await log.decide(member, tx, 'commit', null, tx.beganAt + 50, [event('decided')]);
        if (!decided) throw new Error('it was not there');
        expect(await log.save(first, ended(first.tx), [event('late')])).toBe('lost');
        return saved(decided.held, ended(decided.held.tx), [event('last'), event('end')]);
      };

      test('it is read as it ended, with all that its branches and replies are', async () => {
        const payload = '{ "amount":1.50, "é": "\\u0000 \\ud800 😀\\n" }';
        const replied = [branch('b', { payload, component: 'x' }), branch('a', { payload: 'null' })];
        const begun = await begin(transaction({ businessKey: 'k', trace: TRACE, branches: replied }));
        const tx = ended(begun.tx);
        const last = { ...tx, branches: tx.branches.map((each) => ({ ...each, reply: '{"n": "\\u0000"}' })) };
        const end = await saved(begun, last, []);
        expect(end).toEqual({ tx: last, owner: member.id, epoch: 1, version: 2 });
        expect(await other.get(last.gid)).toEqual(end);
        const none = await begin(transaction({ drive: 'initiator', branches: [] }));
        expect(await other.get(none.tx.gid)).toEqual(none);
        const nothing = await saved(none, ended(none.tx));
        expect(await other.get(none.tx.gid)).toEqual(nothing);
      });

      test('the timeline is whole, and goes on to what came with the end', async () => {
        const { tx } = await finish();
        expect(await other.timeline(tx.gid)).toEqual([
          { at: tx.beganAt, node: 'north', kind: 'begun' },
          ...['one', 'decided', 'last', 'end'].map(event),
        ]);
      });

      test('its gid begins nothing: the recorded end for the same content, a conflict for other', async () => {
        const end = await finish();
        const again = transaction({ gid: end.tx.gid, branches: [branch('z')] });
        expect(await other.insert(stranger, again, HASH)).toEqual({ inserted: false, held: end, sameContent: true });
        const conflict = { inserted: false, held: end, sameContent: false };
        expect(await other.insert(stranger, again, 'b'.repeat(64))).toEqual(conflict);
        expect(await other.contentHash(end.tx.gid)).toBe(HASH);
      });

      test('nobody decides it, takes it or saves it again', async () => {
        const end = await finish();
        const answer = await other.decide(stranger, end.tx, 'abort', null, 9, [event('no')]);
        expect(answer).toEqual({ decided: false, held: end });
        expect(await other.take(stranger, end.tx.gid)).toBeNull();
        expect(await log.save(end, end.tx, [event('no')])).toBe('lost');
        expect(await log.save({ ...end, version: end.version - 1 }, end.tx, [event('no')])).toBe('lost');
        expect(await other.get(end.tx.gid)).toEqual(end);
        expect(await other.timeline(end.tx.gid)).toHaveLength(5);
      });

      test('its branches exist, and no other joins them', async () => {
        const end = await finish(initiated());
        const { gid } = end.tx;
        expect(await other.register(gid, branch('a'))).toEqual({ result: 'exists', held: end });
        expect(await other.register(gid, branch('a', { payload: '1' }))).toEqual({ result: 'conflict', held: end });
        expect(await other.register(gid, branch('b'))).toEqual({ result: 'closed', held: end });
        const driven = await finish();
        expect(await other.register(driven.tx.gid, branch('a'))).toEqual({ result: 'closed', held: driven });
      });
    });

    describe('list', () => {
      const gids = async (filter: Partial<ListFilter>): Promise<string[]> => {
        const { items } = await other.list({ limit: 100, ...filter });
        return items.map(({ tx }) => tx.gid);
      };
      const at = (beganAt: number, over: Parameters<typeof transaction>[0] = {}) => transaction({ ...over, beganAt });

      test('newest first, and of one moment by gid', async () => {
        for (const tx of [at(5, { gid: 'b' }), at(5, { gid: 'a' }), at(9, { gid: 'A' }), at(1), at(5, { gid: 'B' })]) {
          await begin(tx);
        }
        expect((await gids({})).slice(0, 4)).toEqual(['A', 'b', 'a', 'B']);
        const [newest] = (await other.list({ limit: 1 })).items;
        expect({ ...newest, tx: { ...newest!.tx, branches: [] } }).toEqual({
          tx: { ...at(9, { gid: 'A' }), branches: [] },
          owner: member.id,
          epoch: 1,
          version: 1,
        });
        expect(newest!.tx.branches[0]).toMatchObject({
          branchId: 'a',
          component: 'account',
          state: 'started',
          since: 9,
        });
      });

      test('each filter keeps what it names, and all of them together', async () => {
        const open = await begin(at(1, { gid: 'open', businessKey: 'k' }));
        const done = await begin(at(2, { gid: 'done', branches: [branch('s', { component: 'stock' })] }));
        await saved(done, ended(done.tx));
        const stuck = await begin(at(3, { gid: 'stuck', businessKey: 'k' }));
        await saved(stuck, parked(stuck.tx));
        await begin(at(4, { gid: 'saga', mode: 'saga' }));
        expect(await gids({ status: 'open' })).toEqual(['saga', 'open']);
        expect(await gids({ status: 'committed' })).toEqual(['done']);
        expect(await gids({ status: 'committing' })).toEqual(['stuck']);
        expect(await gids({ mode: 'saga' })).toEqual(['saga']);
        expect(await gids({ component: 'stock' })).toEqual(['done']);
        expect(await gids({ businessKey: 'k' })).toEqual(['stuck', 'open']);
        expect(await gids({ parked: true })).toEqual(['stuck']);
        expect(await gids({ parked: false })).toEqual(['saga', 'done', 'open']);
        expect(await gids({ unfinished: true })).toEqual(['saga', 'stuck', 'open']);
        expect(await gids({ unfinished: false })).toEqual(['done']);
        expect(await gids({ unfinished: true, status: 'committed' })).toEqual([]);
        expect(await gids({ unfinished: false, parked: true })).toEqual([]);
        expect(await gids({ component: 'account', parked: false })).toEqual(['saga', 'open']);
        expect(await gids({ from: 2, to: 3 })).toEqual(['stuck', 'done']);
        expect(
          await gids({ businessKey: 'k', status: 'open', component: 'account', mode: 'tcc', parked: false }),
        ).toEqual([open.tx.gid]);
        expect(await gids({ businessKey: 'K' })).toEqual([]);
      });

      test('pages follow each other without a gap or a repeat, whatever comes in or ends meanwhile', async () => {
        for (let index = 0; index < 7; index += 1) await begin(at(index < 4 ? 10 : 20, { gid: `g${index}` }));
        const seen: string[] = [];
        let after: string | undefined;
        do {
          const page = await other.list({ limit: 2, ...(after === undefined ? {} : { after }) });
          seen.push(...page.items.map(({ tx }) => tx.gid));
          after = page.next ?? undefined;
          await begin(at(30));
          // One that was shown, and one that is still to come.
          for (const gid of [seen.at(-1)!, `g${6 - seen.length}`]) {
            const held = await log.get(gid);
            if (held?.tx.status === 'open') await saved(held, ended(held.tx));
          }
        } while (after !== undefined);
        expect(seen).toEqual(['g6', 'g5', 'g4', 'g3', 'g2', 'g1', 'g0']);
        expect((await other.list({ limit: 7, to: 20 })).next).toBeNull();
      });
    });

    describe('members', () => {
      test('a lease is renewed until somebody declares the member dead', async () => {
        expect(await log.renew(member, LEASE_MS)).toBe(true);
        await cluster.expire(member);
        expect(await log.renew(member, LEASE_MS)).toBe(true);
        expect(await other.takeOver(stranger, 10)).toEqual([]);
        expect(await log.renew(member, LEASE_MS)).toBe(true);
        await cluster.expire(member);
        await other.takeOver(stranger, 10);
        expect(await log.renew(member, LEASE_MS)).toBe(false);
        const again = await log.join('north', LEASE_MS);
        expect(again).toMatchObject({ node: 'north' });
        expect(again.id).not.toBe(member.id);
        expect(await log.renew(again, LEASE_MS)).toBe(true);
      });

      test('what a dead member left is taken over oldest first, up to the limit, parked ones too', async () => {
        const begun: Held[] = [];
        for (const beganAt of [30, 10, 20, 40]) begun.push(await begin(transaction({ beganAt })));
        const [c, a, b, finished] = begun as [Held, Held, Held, Held];
        const stuck = await saved(b, parked(b.tx));
        const end = await saved(finished, ended(finished.tx));
        expect(await other.takeOver(stranger, 10)).toEqual([]);
        await cluster.expire(member);
        const own = { owner: stranger.id, epoch: 2 };
        expect(await other.takeOver(stranger, 2)).toEqual([
          { tx: a.tx, ...own, version: 2 },
          { tx: stuck.tx, ...own, version: 3 },
        ]);
        expect(await other.takeOver(stranger, 2)).toEqual([{ tx: c.tx, ...own, version: 2 }]);
        expect(await other.takeOver(stranger, 2)).toEqual([]);
        expect(await log.get(end.tx.gid)).toEqual(end);
        expect(await log.save(c, ended(c.tx), [])).toBe('lost');
        expect((await log.get(c.tx.gid))?.owner).toBe(stranger.id);
      });

      test('who leaves is taken over at once', async () => {
        const held = await begin();
        await log.leave(member);
        expect(await log.renew(member, LEASE_MS)).toBe(false);
        expect((await other.takeOver(stranger, 10)).map(({ tx }) => tx.gid)).toEqual([held.tx.gid]);
      });

      test('two nodes that take over at once share it, and each transaction has one owner', async () => {
        const third = cluster.node();
        const fellow = await third.join('west', LEASE_MS);
        for (let index = 0; index < 30; index += 1) await begin(transaction({ beganAt: index }));
        await cluster.expire(member);
        const taken: Held[] = [];
        for (let found = -1; found !== 0;) {
          const both = await Promise.all([other.takeOver(stranger, 4), third.takeOver(fellow, 4)]);
          found = both.flat().length;
          taken.push(...both.flat());
        }
        expect(new Set(taken.map(({ tx }) => tx.gid)).size).toBe(30);
        expect(taken).toHaveLength(30);
        for (const held of taken) expect(await log.get(held.tx.gid)).toEqual(held);
      });

      test('a member knows what it owns: all that is unfinished, parked ones too', async () => {
        const [open, done, stuck] = [await begin(), await begin(), await begin()];
        await saved(done, ended(done.tx));
        await saved(stuck, parked(stuck.tx));
        expect(await log.owned(member)).toEqual(
          new Map([
            [open.tx.gid, open.version],
            [stuck.tx.gid, stuck.version + 1],
          ]),
        );
        await other.take(stranger, open.tx.gid);
        expect(await log.owned(member)).toEqual(new Map([[stuck.tx.gid, stuck.version + 1]]));
        expect([...(await other.owned(stranger)).keys()]).toEqual([open.tx.gid]);
      });
    });
  });
}
