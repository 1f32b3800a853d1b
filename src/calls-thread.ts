/** The thread that makes the calls to participants: what ThreadSender starts, and speaks to. */
import { parentPort, workerData } from 'node:worker_threads';
import { AllowList } from './participants/allow-list.js';
import { PoolSender } from './participants/sender.js';
import { machineMs } from './participants/thread-words.js';
import type { Order, Orders, Report, Reports, ThreadStart } from './participants/thread-words.js';
import { SystemClock } from './system-clock.js';

/** How soon it may be asked for again. */
const AGAIN_MS = 100;

const { allowed, tls, staleMs } = workerData as ThreadStart;
const sender = new PoolSender(new AllowList(allowed), new SystemClock(), tls);
const stops = new Map<number, () => void>();
let reports: Report[] = [];

parentPort?.on('message', ({ at, orders }: Orders) => {
  const isStale = machineMs() - at > staleMs;
  for (const order of orders) obey(order, isStale);
});

function obey(order: Order, isStale: boolean): void {
  const [what, id] = order;
  if (what === 'stop') return stops.get(id)?.();
  if (what === 'close') return void sender.close().then(() => tell([...told(), null]));
  if (isStale) return report([id, { kind: 'postponed', retryAfterMs: AGAIN_MS }, null, false]);
  const [, , url, headers, body, timeoutMs, lateIsAlive] = order;
  let isOver = false;
  const stop = sender.send({ url, headers, body, timeoutMs, lateIsAlive }, ({ outcome, isAlive, hasLeft }) => {
    isOver = true;
    stops.delete(id);
    report([id, outcome, isAlive, hasLeft]);
  });
  if (!isOver) stops.set(id, stop);
}

/** With all others of this turn. */
function report(one: Report): void {
  if (reports.push(one) === 1) setImmediate(() => tell(told()));
}

function told(): Report[] {
  const all = reports;
  reports = [];
  return all;
}

function tell(all: Reports): void {
  parentPort?.postMessage(all);
}
