/** What every transaction log does with messages, and what then stands in the outbox. */
import { decidedBy, endedIfThrough } from '../../src/domain/machine.js';
import { message as rules } from '../../src/domain/message.js';
import { park, resume } from '../../src/domain/operator.js';
import type { Transaction } from '../../src/domain/transaction.js';
import type { Held, Member, TransactionLog } from '../../src/engine/ports.js';
import { checkBranch, delivery, halfMessage } from './sample.js';
import type { Cluster } from './transaction-log.suite.js';

const LEASE_MS = 60_000;
const HASH = 'a'.repeat(64);
const AT = Date.UTC(2026, 0, 2, 3, 5);

export interface OutboxRow {
  /** `gid/branchId`. */
  readonly id: string;
  readonly topic: string;
  readonly key: string | null;
  readonly payload: string;
}

export interface MessageCluster extends Cluster {
  /** What stands in the outbox, in the order in which it leaves. */
  outbox(): Promise<OutboxRow[]>;
}

/** @param open called before each test; gives an empty log */
export function describeMessages(name: string, open: () => Promise<MessageCluster>, close: () => Promise<void>): void {
  describe(`messages in the transaction log: ${name}`, () => {
    let cluster: MessageCluster;
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

    const begin = async (tx = halfMessage()): Promise<Held> => (await log.insert(member, tx, HASH)).held;
    const saved = async (held: Held, tx: Transaction): Promise<Held> => {
      const result = await log.save(held, tx, []);
      if (result === 'lost') throw new Error('the save was lost');
      return result;
    };
    const decided = (tx: Transaction, at = AT): Transaction => endedIfThrough(decidedBy(tx, 'commit', null, at), at);
    const queued = async (): Promise<string[]> => (await cluster.outbox()).map(({ id }) => id);
    /** What is there of it says the same to everybody. */
    const demandStored = async (held: Held): Promise<void> => {
      expect(await log.get(held.tx.gid)).toEqual(held);
      const [listed] = (await other.list({ limit: 10 })).items.filter(({ tx }) => tx.gid === held.tx.gid);
      // Pages come without payloads.
      const bare = ({ branches, ...tx }: Transaction) => ({
        ...tx,
        branches: branches.map((b) => ({ ...b, payload: '' })),
      });
      expect(listed && bare(listed.tx)).toEqual(bare(held.tx));
    };

    describe('is read back as it was given', () => {
      const topic = { topic: 'order.paid', key: 'ключ "17"', headers: { ce_type: 'paid', 'x-1': 'a\\b' } };
      const rich = (): Transaction =>
        halfMessage([
          checkBranch({ payload: '{"order": 17}' }),
          delivery('points', { topic, payload: '{ "amount":1.50, "é": "\\\\ 😀\\n" }' }),
          delivery('mail', { component: 'mail' }),
          delivery('audit', { topic: { ...topic, key: null, headers: {} } }),
        ]);

      test('at its begin, after checks, parked at its check, decided and at its end', async () => {
        let held = await begin({ ...rich(), message: { ...halfMessage().message!, deliverAt: AT + 5000 } });
        await demandStored(held);
        const [check, ...deliveries] = held.tx.branches;
        const asked = { ...check!, attempts: 3, retryAt: AT + 77 };
        held = await saved(held, { ...held.tx, branches: [asked, ...deliveries] });
        await demandStored(held);
        const gaveUp = 'check failed 4 times, the last time: é';
        const parked = { at: AT, branchId: 'check', op: 'check' as const, why: gaveUp };
        held = await saved(held, {
          ...held.tx,
          parked,
          branches: [{ ...asked, gaveUp, retryAt: null }, ...deliveries],
        });
        await demandStored(held);
        const answer = await other.decide(stranger, held.tx, 'commit', null, AT, []);
        expect(answer?.held.tx).toEqual(decided(held.tx));
        held = answer!.held;
        await demandStored(held);
        expect(await queued()).toEqual([]);
        held = await saved(held, rules.start(held.tx, AT + 5000));
        await demandStored(held);
        const branches = held.tx.branches.map((each) => (each.topic ? each : { ...each, state: 'delivered' as const }));
        held = await saved(held, { ...held.tx, branches, status: 'committed', endedAt: AT + 6000 });
        await demandStored(held);
      });

      test('and what goes to Kafka stands in the outbox to the letter', async () => {
        const { tx } = await begin(rich());
        await log.decide(member, tx, 'commit', null, AT, []);
        expect(await cluster.outbox()).toEqual([
          { id: `${tx.gid}/points`, topic: 'order.paid', key: topic.key, payload: tx.branches[1]!.payload },
          { id: `${tx.gid}/audit`, topic: 'order.paid', key: null, payload: 'null' },
        ]);
      });
    });

    describe('the outbox', () => {
      test('has nothing of what is begun, checked, parked or aborted', async () => {
        const held = await begin();
        const asked = held.tx.branches.map((each, index) => (index === 0 ? { ...each, attempts: 1 } : each));
        const again = await saved(held, { ...held.tx, branches: asked });
        await saved(again, park(again.tx, AT, 'look'));
        await log.decide(member, held.tx, 'abort', { kind: 'requested' }, AT, []);
        const ended = await begin();
        await saved(ended, endedIfThrough(decidedBy(ended.tx, 'abort', null, AT), AT));
        expect(await queued()).toEqual([]);
      });

      test('has what a save decides, by that save, and no save after it adds to that', async () => {
        const held = await begin(halfMessage([checkBranch(), delivery('a'), delivery('mail', { component: 'mail' })]));
        const { gid } = held.tx;
        const commit = await saved(held, decided(held.tx));
        expect(await queued()).toEqual([`${gid}/a`]);
        const tried = commit.tx.branches.map((each) => (each.topic ? each : { ...each, attempts: 1 }));
        const later = await saved(commit, { ...commit.tx, branches: tried });
        await saved(later, { ...later.tx, status: 'committed', endedAt: AT + 1 });
        expect(await queued()).toEqual([`${gid}/a`]);
      });

      test('has what the one save holds that decides and ends', async () => {
        const held = await begin();
        const end = await saved(held, decided(held.tx));
        expect(end.tx.status).toBe('committed');
        expect(await queued()).toEqual([`${held.tx.gid}/a`]);
      });

      test('has nothing of a write that was lost', async () => {
        const held = await begin();
        await other.take(stranger, held.tx.gid);
        expect(await log.save(held, decided(held.tx), [])).toBe('lost');
        await other.decide(stranger, held.tx, 'abort', null, AT, []);
        expect(await log.decide(member, held.tx, 'commit', null, AT, [])).toMatchObject({ decided: false });
        const unknown = halfMessage();
        expect(await log.decide(member, unknown, 'commit', null, AT, [])).toBeNull();
        expect(await queued()).toEqual([]);
      });

      test('has each message once when commits, an abort and the answer of a check come at one moment', async () => {
        for (let round = 0; round < 10; round += 1) {
          const held = await begin();
          const { tx } = held;
          await Promise.all([
            log.save(held, decided(tx), []),
            other.decide(stranger, tx, 'commit', null, AT, []),
            log.decide(member, tx, 'commit', null, AT, []),
            ...(round % 2 ? [other.decide(stranger, tx, 'abort', null, AT, [])] : []),
          ]);
          const { decision } = (await log.get(tx.gid))!.tx;
          const rows = (await queued()).filter((id) => id.startsWith(tx.gid));
          expect(rows).toEqual(decision === 'commit' ? [`${tx.gid}/a`] : []);
        }
      });

      test('has what was parked at its check once somebody commits it, whatever they had seen of it', async () => {
        const held = await begin();
        // With a half of a character, as a service may have said it, and with what looks like a hold of a person.
        const why = 'silence \ud83d "branchId":null';
        const parked = { at: AT, branchId: 'check', op: 'check' as const, why };
        await saved(held, { ...held.tx, parked });
        const answer = await other.decide(stranger, held.tx, 'commit', null, AT, []);
        expect(answer?.held.tx).toMatchObject({ parked: null, branches: [{}, { state: 'queued' }] });
        expect(await queued()).toEqual([`${held.tx.gid}/a`]);
      });

      test('has what a person holds up when that person lets it go, though it was committed before', async () => {
        const held = await begin();
        await saved(held, park(held.tx, AT, 'look'));
        // Seen before it was parked.
        const answer = await other.decide(stranger, held.tx, 'commit', null, AT, []);
        expect(answer?.held.tx).toMatchObject({ status: 'committing', branches: [{}, { state: 'waiting' }] });
        const taken = (await log.take(member, held.tx.gid))!;
        const resumed = await saved(taken, resume(taken.tx, AT + 1));
        expect(await queued()).toEqual([]);
        await saved(resumed, endedIfThrough(rules.start(resumed.tx, AT + 1), AT + 1));
        expect(await queued()).toEqual([`${held.tx.gid}/a`]);
      });

      test('has it once when it was let go between the look and the commit', async () => {
        const held = await begin();
        const parked = await saved(held, park(held.tx, AT, 'look'));
        await saved(parked, resume(parked.tx, AT));
        const answer = await other.decide(stranger, parked.tx, 'commit', null, AT, []);
        expect(answer?.held.tx.branches[1]?.state).toBe('queued');
        const taken = (await log.take(member, held.tx.gid))!;
        await saved(taken, endedIfThrough(taken.tx, AT + 1));
        expect(await queued()).toEqual([`${held.tx.gid}/a`]);
      });

      test('has what waits for its time by the save that lets it out', async () => {
        const held = await begin({ ...halfMessage(), message: { ...halfMessage().message!, deliverAt: AT + 1 } });
        const answer = await log.decide(member, held.tx, 'commit', null, AT, []);
        expect(answer?.held.tx.branches[1]?.state).toBe('waiting');
        expect(await queued()).toEqual([]);
        await saved(answer!.held, endedIfThrough(rules.start(answer!.held.tx, AT + 1), AT + 1));
        expect(await queued()).toEqual([`${held.tx.gid}/a`]);
        const due = await begin({ ...halfMessage(), message: { ...halfMessage().message!, deliverAt: AT } });
        await log.decide(member, due.tx, 'commit', null, AT, []);
        expect(await queued()).toContain(`${due.tx.gid}/a`);
      });

      test('has messages in the order in which their decisions came, many at once and one after another', async () => {
        // Against the order of their gids, by which rows are locked.
        const gids = Array.from({ length: 60 }, (_, index) => `m-${String(99 - index)}`);
        const half = await Promise.all(
          gids.map((gid) => begin(halfMessage([checkBranch(), delivery('a'), delivery('b')], gid))),
        );
        await saved(half[0]!, decided(half[0]!.tx));
        await Promise.all(half.slice(1, 30).map((held) => saved(held, decided(held.tx))));
        for (const { tx } of half.slice(30, 33)) await log.decide(member, tx, 'commit', null, AT, []);
        await Promise.all(half.slice(33).map((held) => saved(held, decided(held.tx))));
        expect(await queued()).toEqual(gids.flatMap((gid) => [`${gid}/a`, `${gid}/b`]));
      });
    });
  });
}
