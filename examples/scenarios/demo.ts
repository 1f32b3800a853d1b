/** `npm run demo`, `npm run demo -- --orders 500`: exit code 0 only if money and stock add up at the end. */
import { placeMany } from './crowd.js';
import type { Sums } from './crowd.js';
import { playMessages } from './message-scenes.js';
import { money, Narrator } from './narrator.js';
import { playSagas } from './saga-scenes.js';
import { CUSTOMER, playTcc, SKU } from './scenes.js';
import { Shop } from './shop.js';
import type { Shipment } from './shop.js';
import { playSteering } from './steering-scene.js';

const MAX_ORDERS = 100_000;
/** In the demo without numbers. */
const START = { balance: 100_000, stock: 10, price: 2500 };
/** Short, so that nobody waits long for another coordinator. */
const SETTINGS = { TERCET_NODE: 'coordinator-1', TERCET_LEASE_MS: '2000' };

function ordersAsked(args: readonly string[]): number | null {
  if (args.length === 0) return null;
  const count = Number(args[1]);
  if (args[0] !== '--orders' || args.length !== 2 || !Number.isSafeInteger(count) || count < 1 || count > MAX_ORDERS) {
    process.stderr.write(`usage: npm run demo [-- --orders N], N from 1 to ${MAX_ORDERS}\n`);
    process.exit(2);
  }
  return count;
}

/** Compares each account and item with what the placed orders say; prints the table; true when all agree. */
async function addsUp(shop: Shop, narrator: Narrator, before: Sums): Promise<boolean> {
  const orders = await shop.orders();
  const sold = orders.filter((order) => order.state === 'placed');
  const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  const rows: string[][] = [];
  let wrong = 0;
  const compare = (
    name: string,
    was: number,
    expected: number,
    is: number,
    held: number,
    format: (value: number) => string = String,
  ): void => {
    if (is !== expected || held !== 0) wrong += 1;
    rows.push([name, format(was), format(expected), format(is), format(held)]);
  };
  for (const { id, balance, held } of await shop.accounts()) {
    const was = before.balances.get(id) ?? 0;
    const spent = sum(sold.filter((order) => order.customer === id).map((order) => order.total));
    compare(id, was, was - spent, balance, held, money);
  }
  for (const { sku, stock, reserved } of await shop.items()) {
    const was = before.stocks.get(sku) ?? 0;
    const gone = sum(sold.filter((order) => order.sku === sku).map((order) => order.quantity));
    compare(sku, was, was - gone, stock, reserved);
  }
  const shipments = await shop.shipments();
  const toBeSent = sold.filter(({ shipTo }) => shipTo !== null);
  const isForNothing = ({ orderId }: Shipment): boolean => toBeSent.every((order) => order.orderId !== orderId);
  compare('parcels', 0, toBeSent.length, shipments.length, shipments.filter(isForNothing).length);
  narrator.heading('Money, stock and parcels');
  narrator.table(['', 'before', 'expected', 'after', 'still held'], rows);
  narrator.line();
  const open = orders.filter((order) => order.state !== 'placed' && order.state !== 'refused').length;
  narrator.say(`${sold.length} orders placed, ${open} left undecided, all others refused.`);
  if (wrong + open === 0) narrator.good('Everything adds up: every order took effect everywhere or nowhere.');
  else narrator.bad(`${wrong} lines do not add up, ${open} orders are undecided.`);
  return wrong + open === 0;
}

async function main(): Promise<void> {
  const orders = ordersAsked(process.argv.slice(2));
  const narrator = new Narrator();
  narrator.line(narrator.style('Tercet: an order takes effect in three services or in none', 'bold'));
  const brokers = process.env['KAFKA_BROKERS'];
  const kafka = brokers ? { kafkaBrokers: brokers } : {};
  const shop = await narrator.during('starting PostgreSQL', Shop.open({ settings: SETTINGS, ...kafka }));
  let isRight = false;
  try {
    await narrator.during('starting the coordinator, order, account, inventory and points', shop.start());
    if (orders === null) {
      await shop.addAccount(CUSTOMER, START.balance);
      await shop.addItem(SKU, START.stock, START.price);
      await playTcc(shop, narrator);
      await playSagas(shop, narrator);
      await playMessages(shop, narrator);
      await playSteering(shop, narrator);
      const before = { balances: new Map([[CUSTOMER, START.balance]]), stocks: new Map([[SKU, START.stock]]) };
      isRight = await addsUp(shop, narrator, before);
    } else isRight = await addsUp(shop, narrator, await placeMany(shop, narrator, orders));
  } catch (error) {
    narrator.bad(error instanceof Error ? error.message : String(error));
  } finally {
    await narrator.during('stopping', shop.close());
  }
  process.exitCode = isRight ? 0 : 1;
}

await main();
