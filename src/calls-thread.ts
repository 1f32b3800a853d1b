/** The thread that makes the calls to participants: what ThreadSender starts, and speaks to. */
import { parentPort, workerData } from 'node:worker_threads';
import { AllowList } from './participants/allow-list.js';
import { PoolSender } from './participants/sender.js';
import { machineOffsetMs } from './participants/thread-words.js';
import type { Order, Report, Reports, ThreadStart } from './participants/thread-words.js';
import { SystemClock } from './system-clock.js';

const { allowed, tls } = workerData as ThreadStart;
const sender = new PoolSender(new AllowList(allowed), new SystemClock(), tls);
const offsetMs = machineOffsetMs();
const stops = new Map<number, () => void>();
let reports: Report[] = [];

parentPort?.on('message', (orders: readonly Order[]) => orders.forEach(obey));

function obey(order: Order): void {
  const [what, id] = order;
  if (what === 'stop') return stops.get(id)?.();
  if (what === 'close') return void sender.close().then(() => tell([...told(), null]));
  const [, , url, headers, body, timeoutMs, lateIsAlive, leaveByMachine] = order;
  const leaveBy = leaveByMachine - offsetMs;
  let isOver = false;
  const stop = sender.send({ url, headers, body, timeoutMs, lateIsAlive, leaveBy }, ({ outcome, isAlive, hasLeft }) => {
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
