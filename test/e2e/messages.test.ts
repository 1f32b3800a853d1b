/**
 * Messages from end to end: an order service, two coordinators, a broker and two consumers with an inbox, all of them
 * killed and frozen at random. What is promised (G9):
 *
 * - an order that the service has placed takes effect at the consumer, once; one that was rolled back never does;
 * - of two with one key, the one whose decision was recorded first takes effect first. So does an order whose commit
 *   was acknowledged, before each one that was placed after that. One whose producer heard nothing is decided by the
 *   check, later: those placed meanwhile may come before it.
 *
 * CHAOS_SEED is the first seed, CHAOS_SEEDS how many there are, CHAOS_MS how long each is tormented.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Random } from '../fuzz/random.js';
import { startBroker, withOwnBroker } from '../support/kafka.js';
import type { Broker } from '../support/kafka.js';
import { LEASE_MS, Orders } from './orders.js';
import type { Pair, Placed } from './orders.js';
import { brokerVictim, processVictim, SEEDS, torment, TORMENT_MS } from './victims.js';
import type { Victim } from './victims.js';

/** Longer than the lease of a relay, and than a consumer may be silent. */
const LONG_MS = 12_000;
const REST_MS = 3000;

withOwnBroker()('under kills and freezes of services, coordinators, consumers and broker', () => {
  let broker: Broker;
  let orders: Orders;

  beforeAll(async () => {
    broker = await startBroker();
  });
  beforeEach(async () => {
    orders = await Orders.start(broker);
  });
  afterEach(() => orders.close());
  afterAll(() => broker.stop());

  test.each(SEEDS)(
    'every order that was placed takes effect once and in order, and no other: CHAOS_SEED=%i',
    async (seed) => {
      await tormentAll(seed);
      await orders.quiet();

      const placed = await orders.placed();
      const effects = await orders.effects();
      const gids = new Set(placed.map(({ gid }) => gid));
      // The first one of each counts.
      const at = new Map(effects.map((gid, index) => [gid, index] as const).reverse());
      const decided = await orders.decidedInOrder();
      const acknowledged = acknowledgedFirst(placed);
      const late = ({ first, second }: Pair): boolean => at.get(first)! > at.get(second)!;
      expect({
        lost: some([...gids].filter((gid) => !at.has(gid))),
        rolledBack: some(effects.filter((gid) => !gids.has(gid))),
        twice: some(effects.filter((gid, index) => at.get(gid) !== index)),
        lateByDecision: some(decided.filter(late)),
        lateByAcknowledgement: some(acknowledged.filter(late)),
      }).toEqual({ lost: [], rolledBack: [], twice: [], lateByDecision: [], lateByAcknowledgement: [] });
      // There was something to be late.
      expect(Math.min(decided.length, acknowledged.length)).toBeGreaterThan(0);
    },
    TORMENT_MS + 300_000,
  );

  async function tormentAll(seed: number): Promise<void> {
    const { coordinators, shop, consumers } = orders.services;
    const victims: Victim[] = [
      ...coordinators.map((one, n) => processVictim(one, n === 0 ? 2 * LEASE_MS : LONG_MS)),
      ...consumers.map((one, n) => processVictim(one, n === 0 ? LEASE_MS : LONG_MS)),
      processVictim(shop, 2 * LEASE_MS),
      brokerVictim(broker, 2 * LEASE_MS),
    ];
    let isOver = false;
    const parties = victims.map((victim, n) => torment(victim, new Random(seed * 100 + n), REST_MS, () => isOver));
    try {
      await Promise.race([pause(TORMENT_MS), Promise.all(parties)]);
    } finally {
      // Whatever has failed, nobody is hurt any more when this comes back.
      isOver = true;
      await Promise.allSettled(parties);
    }
    await Promise.all(parties);
  }
});

/** Enough to look into. */
function some<T>(list: readonly T[]): T[] {
  return list.slice(0, 10);
}

/** Two of one key, the second of which was placed when the first one was known to be recorded. */
function acknowledgedFirst(placed: readonly Placed[]): Pair[] {
  return placed.flatMap((one, index) => {
    if (!one.isAcknowledged) return [];
    const later = placed.slice(index + 1).filter(({ key }) => key === one.key);
    return later.map(({ gid }) => ({ first: one.gid, second: gid }));
  });
}
