/** The four orders of the demo that are fetched: TCC, one after another, each with what the coordinator recorded of it. */
import { open } from './gate.js';
import type { SeenCall } from './gate.js';
import { drawGraph } from './graph.js';
import { money } from './narrator.js';
import type { Narrator } from './narrator.js';
import type { Service } from './processes.js';
import type { Shop } from './shop.js';

export const CUSTOMER = 'alice';
export const SKU = 'lamp';
/** Long enough to be seen, short enough to be waited for. */
const AWAY_MS = 1500;

export async function playTcc(shop: Shop, narrator: Narrator): Promise<void> {
  await placed(shop, narrator);
  await refused(shop, narrator);
  await coordinatorKilled(shop, narrator);
  await participantAway(shop, narrator);
}

async function placed(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('1. An order that is placed');
  narrator.say('Three services try, the coordinator decides, three services confirm.');
  const order = await narrator.during('ordering 2 lamps', shop.order('order-1', CUSTOMER, SKU, 2));
  await draw(shop, narrator, 'order-1', order.state === 'placed');
}

async function refused(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('2. An order refused for lack of stock');
  narrator.say('The inventory has 8 lamps left and says no to 9; what the others hold is given back.');
  const order = await narrator.during('ordering 9 lamps', shop.order('order-2', CUSTOMER, SKU, 9));
  await draw(shop, narrator, 'order-2', order.state === 'refused');
}

async function coordinatorKilled(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('3. The coordinator is killed between the decision and the confirms');
  narrator.say(
    'When the first confirm leaves, the decision is durable. At that moment the coordinator gets SIGKILL and the ' +
      'confirms are lost. Another one starts and finds in the log what is left to do.',
  );
  const killed = killedAt(shop, shop.running, { op: 'confirm', gid: 'order-3' }, 'before');
  const order = shop.order('order-3', CUSTOMER, SKU, 1);
  await narrator.during('ordering 1 lamp, waiting for the moment', killed);
  narrator.bad(`coordinator killed, ${await heldNow(shop)}`);
  await narrator.during('starting another coordinator', shop.addCoordinator('coordinator-2').start());
  await narrator.during('it takes over and finishes', shop.settled());
  const { state } = await narrator.during('the order service asks again and is told', order);
  await draw(shop, narrator, 'order-3', state === 'placed');
}

async function participantAway(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('4. A service dies and comes back');
  narrator.say('The account service is killed when it is asked to confirm. The order is decided, so it waits.');
  const { account } = shop.services;
  const killed = killedAt(shop, account, { op: 'confirm', component: 'account', gid: 'order-4' }, 'before');
  const order = shop.order('order-4', CUSTOMER, SKU, 1);
  await narrator.during('ordering 1 lamp, waiting for the moment', killed);
  narrator.bad('account service killed');
  const away = new Promise<void>((resolve) => setTimeout(resolve, AWAY_MS));
  await narrator.during('the coordinator tries again and again', away);
  await narrator.during('starting the account service', account.start());
  await narrator.during('the order comes to its end', shop.settled());
  await draw(shop, narrator, 'order-4', (await order).state === 'placed');
}

/** Kills the victim when such a call is on its way, or has had its effect; that call, or its answer, is lost. */
export function killedAt(
  shop: Shop,
  victim: Service,
  fits: Partial<SeenCall>,
  side: 'before' | 'after',
): Promise<void> {
  return new Promise((resolve) => {
    shop.gate.watcher = async (call, pass) => {
      if (!(Object.keys(fits) as (keyof SeenCall)[]).every((key) => call[key] === fits[key])) return pass();
      if (side === 'after') await pass();
      await victim.signal('SIGKILL');
      shop.gate.watcher = open;
      resolve();
      throw new Error('lost with the victim');
    };
  });
}

async function heldNow(shop: Shop): Promise<string> {
  const [account] = await shop.accounts();
  const [item] = await shop.items();
  return `with ${money(account?.held ?? 0)} and ${item?.reserved ?? 0} lamp still held`;
}

/** What became of it, and what the coordinator recorded. */
export async function draw(shop: Shop, narrator: Narrator, gid: string, isRight: boolean): Promise<void> {
  await shop.settled();
  const { events } = await shop.client.timeline(gid);
  const tx = await shop.client.get(gid);
  narrator.line();
  narrator.outcome(tx);
  if (tx.mode === 'saga') {
    for (const line of drawGraph(tx.branches, events, narrator.style.bind(narrator))) narrator.line(`  ${line}`);
  }
  narrator.timeline(tx, events);
  narrator.line();
  if (!isRight) throw new Error(`${gid} did not end as it should have`);
}
