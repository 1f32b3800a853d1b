/** The scene of the demo in which a release changes how the coordinator works, while orders are under way. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { open } from './gate.js';
import type { SeenCall } from './gate.js';
import type { Narrator } from './narrator.js';
import { CUSTOMER, draw, SKU } from './scenes.js';
import { COORDINATOR } from './shop.js';
import type { Shop } from './shop.js';

/** Tries that fail before one goes through. */
const FAILURES = { early: 2, late: 3 };

export async function playSteering(shop: Shop, narrator: Narrator): Promise<void> {
  await retriedAnew(shop, narrator);
  await paused(shop, narrator);
}

async function retriedAnew(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('12. A release changes how often is tried, while an order is under way');
  narrator.say(
    'The account service fails. An order is begun, then a release says to try again sooner. That order keeps what it ' +
      'began under; the next one goes by the release.',
  );
  const failing = failTries(shop);
  const early = shop.order('order-8', CUSTOMER, SKU, 1);
  await narrator.during('ordering 1 lamp, its first try hangs', failing.hasBegun);
  await tercet(shop, narrator, [
    'config',
    'set',
    'tercet/coordinator',
    'components.account.retry.baseMs=40',
    'components.account.retry.factor=1',
    'components.account.retry.tryAttempts=10',
    '--reason',
    'try sooner',
  ]);
  await tercet(shop, narrator, ['config', 'release', 'tercet', '--reason', 'try sooner']);
  failing.letGo();
  const late = shop.order('order-9', CUSTOMER, SKU, 1);
  const orders = await narrator.during('ordering another one', Promise.all([early, late]));
  shop.gate.watcher = open;
  const arePlaced = orders.every(({ state }) => state === 'placed');
  await draw(shop, narrator, 'order-8', arePlaced && (await releaseOf(shop, 'order-8')) === null);
  await draw(shop, narrator, 'order-9', (await releaseOf(shop, 'order-9')) === 1);
}

async function paused(shop: Shop, narrator: Narrator): Promise<void> {
  narrator.heading('13. A component is paused, and a rollback takes it back');
  narrator.say(
    'The inventory is to rest. All coordinators switch at one instant; what needs it waits, and fails in nothing.',
  );
  await tercet(shop, narrator, [
    'config',
    'set',
    'tercet/coordinator',
    'components.inventory.paused=true',
    '--reason',
    'stocktaking',
  ]);
  await tercet(shop, narrator, ['config', 'release', 'tercet', '--strict', '--reason', 'stocktaking']);
  const order = shop.order('order-10', CUSTOMER, SKU, 1);
  const isPaused = shop.until('order-10 to wait', async () => {
    const timeline = await shop.client.timeline('order-10').catch(() => null);
    return timeline?.events.some(({ kind }) => kind === 'paused') ?? false;
  });
  await narrator.during('ordering 1 lamp, which waits', isPaused);
  await tercet(shop, narrator, ['config', 'nodes', 'tercet']);
  await tercet(shop, narrator, ['config', 'rollback', 'tercet', '1', '--reason', 'counted']);
  const { state } = await narrator.during('the order goes on', order);
  await draw(shop, narrator, 'order-10', state === 'placed');
}

interface Failing {
  /** The first try is on its way. */
  readonly hasBegun: Promise<void>;
  /** It fails now, and so do some of those after it. */
  letGo(): void;
}

function failTries(shop: Shop): Failing {
  const left: Record<string, number> = { 'order-8': FAILURES.early, 'order-9': FAILURES.late };
  let letGo = (): void => undefined;
  const released = new Promise<void>((resolve) => (letGo = resolve));
  const hasBegun = new Promise<void>((resolve) => {
    shop.gate.watcher = async (call: SeenCall, pass) => {
      const failures = left[call.gid] ?? 0;
      if (call.op !== 'try' || call.component !== 'account' || failures === 0) return pass();
      left[call.gid] = failures - 1;
      resolve();
      await released;
      throw new Error('the account service fails');
    };
  });
  return { hasBegun, letGo };
}

async function releaseOf(shop: Shop, gid: string): Promise<number | null> {
  return (await shop.client.get(gid)).release;
}

/** Shows a command and what it prints. */
async function tercet(shop: Shop, narrator: Narrator, args: readonly string[]): Promise<void> {
  const shown = args.map((arg) => (/\s/.test(arg) ? JSON.stringify(arg) : arg)).join(' ');
  narrator.line();
  narrator.say(narrator.style(`$ tercet ${shown}`, 'bold'));
  const env = { ...process.env, TERCET_URL: shop.running.url, NO_COLOR: '1' };
  const { stdout } = await promisify(execFile)(process.execPath, [COORDINATOR.script, ...args], { env });
  for (const line of stdout.trimEnd().split('\n')) narrator.line(`  ${line}`);
}
