/** The last scenes of the demo: an order is paid, and others are told of it if and only if it is. */
import { open } from './gate.js';
import type { SeenCall } from './gate.js';
import { sendAgain } from './kafka.js';
import type { Narrator } from './narrator.js';
import { draw } from './scenes.js';
import type { Shop } from './shop.js';

export async function playMessages(shop: Shop, narrator: Narrator): Promise<void> {
  await paid(shop, narrator);
  await killedAfterCommit(shop, narrator);
  await rolledBack(shop, narrator);
  if (shop.kafka) await repeated(shop, narrator);
  else withoutKafka(narrator);
}

async function paid(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('8. An order is paid: a message, if and only if');
  narrator.say(
    'The order service leaves half a message, pays in its own database, and says so. Only then the points and the mail ' +
      'go out.',
  );
  await narrator.during('paying order-1', shop.pay('order-1'));
  await draw(shop, narrator, 'order-1-paid', await told(shop, 'order-1'));
}

async function killedAfterCommit(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('9. The service is killed before it can say that it paid');
  narrator.say('It is paid in its database; the word of it is lost. The coordinator asks back, and the fence knows.');
  const { order } = shop.services;
  const killed = lostSubmit(shop, 'order-5-paid');
  const paying = shop.pay('order-5').catch(() => undefined);
  await narrator.during('paying order-5, waiting for the moment', killed);
  narrator.bad('order service killed, after its COMMIT');
  await paying;
  await narrator.during('starting the order service', order.start());
  await narrator.during('the coordinator asks, and delivers', shop.settled());
  await draw(shop, narrator, 'order-5-paid', await told(shop, 'order-5'));
}

async function rolledBack(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('10. It cannot be paid: nobody is told');
  narrator.say('Order 2 was refused. Its transaction throws, the half message goes with it, and nothing arrives.');
  const refusal = await narrator.during(
    'paying order-2',
    shop.pay('order-2').then(
      () => null,
      (error: Error) => error,
    ),
  );
  const tx = await shop.client.get('order-2-paid');
  await draw(
    shop,
    narrator,
    'order-2-paid',
    refusal !== null && tx.decision === 'abort' && !(await isMailed(shop, 'order-2')),
  );
}

async function repeated(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('11. Kafka brings the same message twice');
  narrator.say('The inbox of the points service knows its id: it adds nothing.');
  const [before] = await shop.points();
  await narrator.during('sending what came for order-1 once more', sendAgain(shop, 'order-1-paid/points'));
  const [after] = await shop.points();
  narrator.good(`${after?.customer ?? ''} has ${after?.points ?? 0} points, as before`);
  if (before?.points !== after?.points) throw new Error('the points were added twice');
}

function withoutKafka(narrator: Narrator): void {
  narrator.line();
  narrator.say(
    'There is no Kafka here, so points went by HTTP. With one they go through a topic: docker compose up -d kafka, then ' +
      'KAFKA_BROKERS=127.0.0.1:9092 npm run demo.',
  );
}

/** Kills the order service when the submit of this message has left it; the submit is lost. */
function lostSubmit(shop: Shop, gid: string): Promise<void> {
  return new Promise((resolve) => {
    shop.gate.watcher = async (call: SeenCall, pass) => {
      if (call.service !== 'tercet' || !call.path.endsWith(`/${gid}/submit`)) return pass();
      await shop.services.order.signal('SIGKILL');
      shop.gate.watcher = open;
      resolve();
      throw new Error('lost with the service');
    };
  });
}

/** Mail and points have arrived. */
async function told(shop: Shop, orderId: string): Promise<boolean> {
  const orders = await shop.orders();
  const due = orders.filter(({ isPaid }) => isPaid).reduce((sum, { total }) => sum + Math.floor(total / 100), 0);
  return shop.until(`points and mail for ${orderId}`, async () => {
    const [customer] = await shop.points();
    return customer?.points === due && (await isMailed(shop, orderId));
  });
}

async function isMailed(shop: Shop, orderId: string): Promise<boolean> {
  return (await shop.mails()).some(({ id }) => id === `${orderId}-paid`);
}
