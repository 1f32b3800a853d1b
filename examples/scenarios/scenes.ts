/** The four orders of the demo, one after another, each with what the coordinator recorded of it. */
import { open } from './gate.js';
import type { Narrator } from './narrator.js';
import type { Shop } from './shop.js';

const CUSTOMER = 'alice';
const SKU = 'lamp';
/** Long enough to be seen, short enough to be waited for. */
const AWAY_MS = 1500;

export const START = { balance: 100_000, stock: 10, price: 2500 };

/** What must be true after each scene: how many lamps were sold. */
export async function play(shop: Shop, narrator: Narrator): Promise<number> {
  await shop.addAccount(CUSTOMER, START.balance);
  await shop.addItem(SKU, START.stock, START.price);
  let sold = 0;
  sold += await placed(shop, narrator);
  sold += await refused(shop, narrator);
  sold += await coordinatorKilled(shop, narrator);
  sold += await participantAway(shop, narrator);
  return sold;
}

async function placed(shop: Shop, narrator: Narrator): Promise<number> {
  narrator.heading('1. An order that is placed');
  narrator.say('Three services try, the coordinator decides, three services confirm.');
  const order = await narrator.during('ordering 2 lamps', shop.order('order-1', CUSTOMER, SKU, 2));
  return draw(shop, narrator, 'order-1', order.state === 'placed', 2);
}

async function refused(shop: Shop, narrator: Narrator): Promise<number> {
  narrator.heading('2. An order refused for lack of stock');
  narrator.say('The inventory has 8 lamps left and says no to 9; what the others hold is given back.');
  const order = await narrator.during('ordering 9 lamps', shop.order('order-2', CUSTOMER, SKU, 9));
  return draw(shop, narrator, 'order-2', order.state === 'refused', 0);
}

async function coordinatorKilled(shop: Shop, narrator: Narrator): Promise<number> {
  narrator.heading('3. The coordinator is killed between the decision and the confirms');
  narrator.say(
    'When the first confirm leaves, the decision is durable. At that moment the coordinator gets SIGKILL and the ' +
      'confirms are lost. A new one starts and finds in the log what is left to do.',
  );
  const killed = new Promise<void>((resolve) => {
    shop.gate.watcher = async ({ op, gid }, pass) => {
      if (op !== 'confirm' || gid !== 'order-3') return pass();
      await shop.coordinator.signal('SIGKILL');
      resolve();
      throw new Error('the confirms are lost with their sender');
    };
  });
  const order = shop.order('order-3', CUSTOMER, SKU, 1);
  await narrator.during('ordering 1 lamp, waiting for the moment', killed);
  narrator.bad(`coordinator killed, ${await heldNow(shop)}`);
  await pauseFor(narrator, 'nobody is in charge');
  shop.gate.watcher = open;
  await narrator.during('starting a coordinator', shop.coordinator.start());
  await narrator.during('it takes over and finishes', shop.settled());
  const { state } = await narrator.during('the order service asks again and is told', order);
  return draw(shop, narrator, 'order-3', state === 'placed', 1);
}

async function participantAway(shop: Shop, narrator: Narrator): Promise<number> {
  narrator.heading('4. A service dies and comes back');
  narrator.say('The account service is killed when it is asked to confirm. The order is decided, so it waits.');
  const killed = new Promise<void>((resolve) => {
    shop.gate.watcher = async ({ op, component, gid }, pass) => {
      if (op === 'confirm' && component === 'account' && gid === 'order-4') {
        shop.gate.watcher = open;
        await shop.services.account.signal('SIGKILL');
        resolve();
      }
      return pass();
    };
  });
  const order = shop.order('order-4', CUSTOMER, SKU, 1);
  await narrator.during('ordering 1 lamp, waiting for the moment', killed);
  narrator.bad('account service killed');
  await pauseFor(narrator, 'the coordinator tries again and again');
  await narrator.during('starting the account service', shop.services.account.start());
  await narrator.during('the order comes to its end', shop.settled());
  return draw(shop, narrator, 'order-4', (await order).state === 'placed', 1);
}

async function heldNow(shop: Shop): Promise<string> {
  const [account] = await shop.accounts();
  const [item] = await shop.items();
  return `with ${money(account?.held ?? 0)} and ${item?.reserved ?? 0} lamp still held`;
}

function pauseFor(narrator: Narrator, text: string): Promise<void> {
  return narrator.during(text, new Promise<void>((resolve) => setTimeout(resolve, AWAY_MS)));
}

async function draw(shop: Shop, narrator: Narrator, gid: string, isRight: boolean, sold: number): Promise<number> {
  await shop.settled();
  const { events } = await shop.client.timeline(gid);
  narrator.line();
  narrator.timeline(await shop.client.get(gid), events);
  narrator.line();
  if (!isRight) throw new Error(`${gid} did not end as it should have`);
  return sold;
}

export function money(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`;
}
