/**
 * Relays as processes, a real database, a real broker, and all but the database killed and frozen at random: what
 * committed arrives, what did not does not, and no message overtakes one of its key.
 *
 * CHAOS_SEED is the first seed, CHAOS_SEEDS how many there are, CHAOS_MS how long each is tormented.
 */
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { Service } from '../../examples/scenarios/processes.js';
import { until } from '../client/until.js';
import { Random } from '../fuzz/random.js';
import { createTopic, readTopic, startBroker, withOwnBroker } from '../support/kafka.js';
import type { Broker } from '../support/kafka.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { brokerVictim, processVictim, SEEDS, torment, TORMENT_MS } from './victims.js';
import { Writers } from './writers.js';
import type { Written } from './writers.js';

const LEASE_MS = 2000;
const RELAYS = 3;
const WRITERS = 6;
const SCRIPT = fileURLToPath(new URL('relay.js', import.meta.url));

withOwnBroker()('under kills and freezes of relays and broker', () => {
  let broker: Broker;
  let database: TestDatabase;
  let relays: Service[];
  const topicsOf = new Map<number, string[]>();

  beforeAll(async () => {
    broker = await startBroker();
    const create = (partitions: number): Promise<string> => createTopic(broker.address, { partitions });
    for (const seed of SEEDS) topicsOf.set(seed, [await create(4), await create(1)]);
  });

  beforeEach(async () => {
    database = await createDatabase();
    const env = { DATABASE_URL: database.url, KAFKA_BROKERS: broker.address, LEASE_MS: String(LEASE_MS) };
    relays = Array.from({ length: RELAYS }, (_, n) => new Service({ name: `relay ${n}`, script: SCRIPT, env }));
  });

  afterEach(async () => {
    await Promise.all(relays.map((relay) => relay.signal('SIGKILL')));
    await database.drop();
  });

  afterAll(() => broker.stop());

  test.each(SEEDS)(
    'what committed arrives, in the order of its key, and nothing else: CHAOS_SEED=%i',
    async (seed) => {
      const topics = topicsOf.get(seed) ?? [];
      const writers = await Writers.install(database.url, topics);
      await Promise.all(relays.map((relay) => relay.start()));
      let isOver = false;
      const victims = [...relays.map((relay) => processVictim(relay, 2 * LEASE_MS)), brokerVictim(broker, LEASE_MS)];
      const parties = [
        ...victims.map((victim, n) => torment(victim, new Random(seed * 100 + n), LEASE_MS, () => isOver)),
        ...Array.from({ length: WRITERS }, (_, n) => writers.write(new Random(seed * 100 + 50 + n), () => isOver)),
      ];
      await Promise.race([pause(TORMENT_MS), Promise.all(parties)]);
      isOver = true;
      await Promise.all(parties);
      await until('all has been sent', async () => (await writers.waiting()) === 0);
      const codes = await Promise.all(relays.map((relay) => relay.signal('SIGTERM')));
      expect(codes).toEqual(relays.map(() => 0));

      const committed = await writers.committed();
      const arrived = await firstArrivals(topics);
      const sortedByTx = (list: Written[] = []): Written[] => [...list].sort((a, b) => (a.tx < b.tx ? -1 : 1));
      expect(sortedByTx(arrived.get(null))).toEqual(sortedByTx(committed.get(null)));
      for (const [key, written] of committed) if (key !== null) expect(arrived.get(key)).toEqual(written);
      expect([...arrived.keys()].sort()).toEqual([...committed.keys()].sort());
      await writers.close();
    },
    120_000,
  );

  /** By key, repeats left out. */
  async function firstArrivals(topics: readonly string[]): Promise<Map<string | null, Written[]>> {
    const byKey = new Map<string | null, Written[]>();
    const seen = new Set<string>();
    const read = async (topic: string): Promise<void> => {
      for (const { key, value, headers } of await readTopic(broker.address, topic)) {
        if (seen.has(headers['ce_id'] ?? '')) continue;
        seen.add(headers['ce_id'] ?? '');
        const { n, tx } = JSON.parse(value ?? '') as { n: number; tx: string };
        byKey.set(key, [...(byKey.get(key) ?? []), { topic, key, n, tx }]);
      }
    };
    await Promise.all(topics.map(read));
    return byKey;
  }
});
