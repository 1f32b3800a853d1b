/**
 * Sends from a thread of its own: sockets, HTTP and timers of calls are a third of a coordinator's work, and the engine goes
 * on with the rest meanwhile (docs/benchmarks.md). An error that nobody caught there ends the process, as it does here.
 */
import { Worker } from 'node:worker_threads';
import type { Result } from './exchange.js';
import type { Outgoing, Sender } from './sender.js';
import { machineOffsetMs } from './thread-words.js';
import type { Order, Reports, ThreadStart } from './thread-words.js';

const STOPS = 'this node stops';

export class ThreadSender implements Sender {
  private readonly thread: Worker;
  private readonly underWay = new Map<number, (result: Result) => void>();
  private readonly offsetMs = machineOffsetMs();
  private orders: Order[] = [];
  private lastId = 0;
  private isClosing = false;
  private readonly closed: Promise<void>;

  /** @param entry the module that answers for the thread */
  constructor(entry: URL, start: ThreadStart) {
    this.thread = new Worker(entry, { workerData: start, name: 'calls' });
    this.thread.on('message', (reports: Reports) => this.hear(reports));
    this.closed = new Promise<void>((resolve) => this.thread.once('exit', resolve)).then(() => this.endAll());
  }

  send(outgoing: Outgoing, over: (result: Result) => void): () => void {
    const { url, headers, body, timeoutMs, lateIsAlive, leaveBy } = outgoing;
    const id = (this.lastId += 1);
    if (this.isClosing) {
      over({ outcome: { kind: 'unknown', detail: STOPS }, isAlive: null, hasLeft: false });
      return () => undefined;
    }
    this.underWay.set(id, over);
    this.order(['send', id, url, headers, body, timeoutMs, lateIsAlive, leaveBy + this.offsetMs]);
    return () => {
      if (this.underWay.has(id)) this.order(['stop', id]);
    };
  }

  get busyMs(): number {
    return this.thread.performance.eventLoopUtilization().active;
  }

  async close(): Promise<void> {
    if (!this.isClosing) this.order(['close', null]);
    this.isClosing = true;
    await this.closed;
  }

  /** The thread is gone, and with it whatever it has not told of. */
  private endAll(): void {
    for (const over of this.underWay.values()) {
      over({ outcome: { kind: 'unknown', detail: STOPS }, isAlive: null, hasLeft: true });
    }
    this.underWay.clear();
  }

  /** With all others of this turn: each message costs what some calls do. */
  private order(order: Order): void {
    if (this.orders.push(order) > 1) return;
    setImmediate(() => {
      const { orders } = this;
      this.orders = [];
      this.thread.postMessage(orders satisfies readonly Order[]);
    });
  }

  private hear(reports: Reports): void {
    for (const report of reports) {
      if (report === null) return void this.thread.terminate();
      const [id, outcome, isAlive, hasLeft] = report;
      this.underWay.get(id)?.({ outcome, isAlive, hasLeft });
      this.underWay.delete(id);
    }
  }
}
