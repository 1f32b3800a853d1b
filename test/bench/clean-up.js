/**
 * What a part of the benchmark starts is taken down when the part ends, however it ends. SIGINT, SIGTERM, SIGHUP or the end of
 * whoever reads what it prints ends the whole run in the same way.
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const INTERRUPTED = 130;
/** npm passes on to its child what the terminal has sent to it already: that is no second signal. */
const SAME_MS = 1000;
const cleanUps = [];
const stopping = new AbortController();
/** Aborted by the first signal. */
export const { signal } = stopping;
const interrupted = new Promise((resolve) => signal.addEventListener('abort', resolve));

let stoppedAt = null;
function stop() {
  if (stoppedAt !== null) {
    if (performance.now() - stoppedAt > SAME_MS) process.exit(INTERRUPTED);
    return;
  }
  stoppedAt = performance.now();
  // What breaks while it is being stopped is no trouble of its own.
  for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, () => undefined);
  process.stderr.write('interrupted: stopping what was started; a second signal does not wait\n');
  stopping.abort(new Error('it was interrupted'));
}
for (const name of SIGNALS) process.on(name, stop);
// Whoever read what is printed is gone, by the same signal perhaps: nobody waits for the rest.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stoppedAt ?? stop());

/** Runs at the end, before all that was given earlier. */
export function atEnd(cleanUp) {
  cleanUps.push(cleanUp);
}

/**
 * What `start` returns or resolves to; `end` takes it down. A start that is under way when all is stopped is waited for, and
 * after that none begins.
 */
export async function taken(start, end) {
  signal.throwIfAborted();
  const starting = Promise.resolve(start());
  atEnd(() => starting.then(end, () => undefined));
  return starting;
}

/** Resolves when a child has ended, which it may have already. */
export async function endOf(child, name = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(name);
  await ended;
}

/** Runs `work`, then every clean-up, whatever became of the others. After a signal the process ends with it. */
export async function onStage(work) {
  try {
    await Promise.race([work(), interrupted]);
  } finally {
    for (const cleanUp of cleanUps.splice(0).reverse()) await tried(cleanUp);
    if (signal.aborted) process.exit(INTERRUPTED);
  }
}

async function tried(cleanUp) {
  try {
    await cleanUp();
  } catch (error) {
    process.stderr.write(`something was not cleaned up: ${error.message}\n`);
    process.exitCode = 1;
  }
}
