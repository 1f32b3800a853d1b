/** What one node is busy with: its work, its database connections, its group commit, its process. */
import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { VERSION } from '../version.js';
import type { EventLoop } from './event-loop.js';
import { gauge, total } from './gauge.js';
import type { Sources } from './metrics.js';

const FLUSH_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const FLUSH_ROWS = [1, 2, 5, 10, 20, 50, 100, 200, 500];

/** Tells how many writes went out with each group commit, 0 if it failed, and how long it took. */
export function flushMetrics(registry: Registry): (rows: number, durationMs: number) => void {
  const registers = [registry];
  const seconds = new Histogram({
    name: 'tercet_flush_seconds',
    help: 'Group commits, from sending one to its commit, or to its failure.',
    buckets: FLUSH_SECONDS,
    registers,
  });
  const rowsOf = new Histogram({
    name: 'tercet_flush_rows',
    help: 'Begins and saves that went out with one group commit.',
    buckets: FLUSH_ROWS,
    registers,
  });
  return (rows, durationMs) => {
    if (rows > 0) rowsOf.observe(rows);
    seconds.observe(durationMs / 1000);
  };
}

/** Tells what became of each post to the webhook. */
export function alertMetrics(registry: Registry): (outcome: 'delivered' | 'dropped') => void {
  const posts = new Counter({
    name: 'tercet_alert_posts_total',
    help: 'Posts to TERCET_ALERT_URL by what became of them.',
    labelNames: ['outcome'],
    registers: [registry],
  });
  for (const outcome of ['delivered', 'dropped']) posts.inc({ outcome }, 0);
  return (outcome) => posts.inc({ outcome });
}

export function workMetrics(registry: Registry, sources: Sources): void {
  const { underWay, maxUnfinished, problems, pools, callsBusyMs } = sources;
  const driven = {
    name: 'driven_transactions',
    help: 'Unfinished transactions that this node drives, by whether a participant is asked now; parked ones are not driven.',
    labels: ['state'],
  };
  gauge(registry, driven, (set) => {
    const all = underWay();
    const calling = all.filter(({ isCalling }) => isCalling).length;
    set(calling, 'calling');
    set(all.length - calling, 'waiting');
  });
  const limit = { name: 'driven_transactions_max', help: 'How many this node may drive: limits.unfinished.' };
  gauge(registry, limit, (set) => set(maxUnfinished()));
  const ready = { name: 'ready', help: 'Whether this node takes requests, as /health/ready says: 1 or 0.' };
  gauge(registry, ready, (set) => set(problems().length === 0 ? 1 : 0));
  const calls = { name: 'calls_busy_seconds', help: 'Time that the thread of calls to services was busy.' };
  total(registry, calls, () => callsBusyMs() / 1000);
  const connections = {
    name: 'database_connections',
    help: 'Connections to PostgreSQL by what they are for.',
    labels: ['lane', 'state'],
  };
  gauge(registry, connections, (set) => {
    for (const [lane, { used, idle }] of Object.entries(pools())) {
      set(used, lane, 'used');
      set(idle, lane, 'idle');
    }
  });
  const waiting = {
    name: 'database_waiting',
    help: 'Statements that wait for a connection to PostgreSQL.',
    labels: ['lane'],
  };
  gauge(registry, waiting, (set) => {
    for (const [lane, pool] of Object.entries(pools())) set(pool.waiting, lane);
  });
}

export function processMetrics(registry: Registry, loop: EventLoop): void {
  const build = {
    name: 'build_info',
    help: 'Always 1; its labels say what runs.',
    labels: ['version', 'node_version'],
  };
  gauge(registry, build, (set) => set(1, VERSION, process.version));
  const delay = {
    name: 'event_loop_delay_seconds',
    help: 'How late the event loop of the engine was over the last seconds.',
    labels: ['stat'],
  };
  gauge(registry, delay, (set) => {
    const { p50, p99, max } = loop.delay;
    set(p50, 'p50');
    set(p99, 'p99');
    set(max, 'max');
  });
  total(registry, { name: 'event_loop_busy_seconds', help: 'Time that the engine was busy.' }, () => loop.busyS);
  total(registry, { name: 'process_cpu_seconds', help: 'CPU time of the process, all its threads.' }, () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  const resident = { name: 'process_resident_memory_bytes', help: 'Memory of the process.' };
  gauge(registry, resident, (set) => set(process.memoryUsage.rss()));
  const heap = { name: 'heap_used_bytes', help: 'JavaScript objects of the engine, garbage included.' };
  gauge(registry, heap, (set) => set(process.memoryUsage().heapUsed));
  const start = { name: 'process_start_time_seconds', help: 'When the process started, in seconds since 1970.' };
  gauge(registry, start, (set) => set(performance.timeOrigin / 1000));
}
