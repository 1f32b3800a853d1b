/** The three orders of the demo that are sent: sagas, each as a graph and with what the coordinator recorded of it. */
import type { Narrator } from './narrator.js';
import { CUSTOMER, draw, killedAt, SKU } from './scenes.js';
import type { Shop } from './shop.js';

export async function playSagas(shop: Shop, narrator: Narrator): Promise<void> {
  await sent(shop, narrator);
  await refusedLate(shop, narrator);
  await killedHalfWay(shop, narrator);
}

async function sent(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('5. An order that is sent: a saga');
  narrator.say(
    'A courier cannot be held, only booked. So each step takes effect at once, payment and goods side by side. Once ' +
      'the shipment is booked (◆) there is no way back; the approval goes forward, come what may.',
  );
  const order = await narrator.during('ordering a lamp to Lisbon', shop.order('order-5', CUSTOMER, SKU, 1, 'Lisbon'));
  await draw(shop, narrator, 'order-5', order.state === 'placed');
}

async function refusedLate(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('6. Refused at the last moment, and undone in reverse');
  narrator.say(
    'No courier goes to Atlantis. By then the order is written, the money gone and the goods off the shelf: each is ' +
      'undone, the last first, and side by side what was done side by side.',
  );
  const order = shop.order('order-6', CUSTOMER, SKU, 1, 'Atlantis');
  const { state } = await narrator.during('ordering a lamp to Atlantis', order);
  await draw(shop, narrator, 'order-6', state === 'refused');
}

async function killedHalfWay(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('7. The coordinator is killed half way, and another one finishes');
  narrator.say(
    'The courier is booked; before the coordinator hears of it, it gets SIGKILL. Another one asks again: the service ' +
      'gives the same answer as the first time, and books nobody twice.',
  );
  const killed = killedAt(shop, shop.running, { op: 'action', component: 'shipment', gid: 'order-7' }, 'after');
  const order = shop.order('order-7', CUSTOMER, SKU, 1, 'Oslo');
  await narrator.during('ordering a lamp to Oslo, waiting for the moment', killed);
  narrator.bad(`coordinator killed, with ${await halfDone(shop)}`);
  await narrator.during('starting another coordinator', shop.addCoordinator('coordinator-3').start());
  await narrator.during('it takes over and finishes', shop.settled());
  const { state } = await narrator.during('the order service asks again and is told', order);
  await draw(shop, narrator, 'order-7', state === 'placed');
}

async function halfDone(shop: Shop): Promise<string> {
  const orders = await shop.orders();
  const shipments = await shop.shipments();
  const pending = orders.filter(({ state }) => state === 'pending').length;
  return `${pending} order pending and ${shipments.filter(({ orderId }) => orderId === 'order-7').length} courier booked`;
}
