/** A process with waiters that want one lock, again and again, until they are told to stop; it says how often and how long. */
import { locksOf } from './lock-stores.js';

const { store, urls, waiters, name } = JSON.parse(process.argv[2]);
const { locks, close } = await locksOf(store, urls);
let isOver = false;

async function waiter() {
  const waits = [];
  while (!isOver) {
    const from = performance.now();
    await locks.run(name, {}, async () => {
      if (!isOver) waits.push(performance.now() - from);
    });
  }
  return waits;
}

process.send({ ready: true });
process.once('message', () => {
  const done = Promise.all(Array.from({ length: waiters }, waiter));
  process.once('message', async () => {
    isOver = true;
    process.send({ waits: await done });
    await close();
    process.disconnect();
  });
});
