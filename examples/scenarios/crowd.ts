/** `demo -- --orders N`: many orders at once, with refusals, while processes are killed at random. */
import type { Narrator } from './narrator.js';
import { SERVICES } from './shop.js';
import type { Shop } from './shop.js';

const CONCURRENCY = 24;
const CUSTOMERS = 20;
const SKUS = 5;
const BALANCE = 60_000;
const PRICE = 1000;
/** Null: it is fetched, a TCC; the others are sagas, and no courier goes to the last. */
const SHIP_TO = [null, null, null, 'Lisbon', 'Oslo', 'Atlantis'];
/** A kill, and how long the process stays away, in ms: from and to. */
const EVERY_MS = [800, 2500] as const;
const AWAY_MS = [50, 1200] as const;

export interface Sums {
  readonly balances: Map<string, number>;
  readonly stocks: Map<string, number>;
}

/** Places the orders; gives what was there at the start. */
export async function placeMany(shop: Shop, narrator: Narrator, count: number): Promise<Sums> {
  const sums: Sums = { balances: new Map(), stocks: new Map() };
  for (let index = 0; index < CUSTOMERS; index += 1) {
    sums.balances.set(numbered('customer', index), BALANCE);
    await shop.addAccount(numbered('customer', index), BALANCE);
  }
  for (let index = 0; index < SKUS; index += 1) {
    // Two thirds of what will be asked for on average: the rest is refused.
    const stock = Math.ceil((count * 2 * 0.67) / SKUS);
    sums.stocks.set(numbered('item', index), stock);
    await shop.addItem(numbered('item', index), stock, PRICE);
  }
  let next = 0;
  let answered = 0;
  let kills = 0;
  let isOver = false;
  const reasons = new Map<string, number>();
  const customer = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const quantity = 1 + Math.floor(Math.random() * 3);
      const shipTo = SHIP_TO[Math.floor(Math.random() * SHIP_TO.length)] ?? null;
      const [buyer, sku] = [pick('customer', CUSTOMERS), pick('item', SKUS)];
      const { reason } = await shop.order(`order-${index}`, buyer, sku, quantity, shipTo);
      answered += 1;
      if (reason) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
  };
  const reaper = async (): Promise<void> => {
    while (!isOver) {
      await pause(...EVERY_MS);
      if (isOver) return;
      const victims = [shop.coordinator, ...SERVICES.map((name) => shop.services[name])];
      const victim = victims[Math.floor(Math.random() * victims.length)] ?? shop.coordinator;
      await victim.signal('SIGKILL');
      kills += 1;
      await pause(...AWAY_MS);
      await victim.start();
    }
  };
  const orders = Promise.all(Array.from({ length: CONCURRENCY }, customer)).finally(() => (isOver = true));
  const state = (): string => `${answered}/${count} answered, ${kills} processes killed`;
  await narrator.during(`placing ${count} orders`, Promise.all([orders, reaper()]), state);
  narrator.say(`${answered} orders answered while ${kills} processes were killed with SIGKILL and started again.`);
  for (const [reason, times] of reasons) narrator.say(`  ${times} refused: ${reason}`);
  await narrator.during('every transaction comes to its end', shop.settled(120_000));
  return sums;
}

function pick(kind: string, count: number): string {
  return numbered(kind, Math.floor(Math.random() * count));
}

function numbered(kind: string, index: number): string {
  return `${kind}-${String(index + 1).padStart(2, '0')}`;
}

function pause(fromMs: number, toMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, fromMs + Math.random() * (toMs - fromMs)));
}
