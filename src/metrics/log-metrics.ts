/** What is unfinished in the whole log, whichever node drives it. Every node tells the same. */
import type { Registry } from 'prom-client';
import type { Status } from '../protocol/words.js';
import type { Unfinished } from '../storage/unfinished.js';
import { gauge } from './gauge.js';
import type { Sources } from './metrics.js';
import { Reading } from './reading.js';

const STATUSES: readonly Status[] = ['open', 'committing', 'aborting'];

export function logMetrics(registry: Registry, { unfinished: read, historyAheadMs }: Sources): void {
  const backlog = new Reading(read);
  const told = async (tell: (all: readonly Unfinished[]) => void): Promise<void> => {
    const all = await backlog.now();
    // Nothing rather than what was once true.
    if (all) tell(all);
  };
  const up = { name: 'database_up', help: 'Whether the log could be read for this answer: 1 or 0.' };
  gauge(registry, up, async (set) => set((await backlog.now()) ? 1 : 0));
  const unfinished = {
    name: 'unfinished_transactions',
    help: 'Unfinished transactions in the whole log, parked ones included; absent while the log cannot be read.',
    labels: ['status'],
  };
  gauge(registry, unfinished, (set) =>
    told((all) => STATUSES.forEach((status) => set(of(all, status)?.count ?? 0, status))),
  );
  const oldest = {
    name: 'oldest_unfinished_seconds',
    help: 'Since the begin of the oldest unfinished transaction of the whole log that is not parked; 0: there is none.',
    labels: ['status'],
  };
  gauge(registry, oldest, (set) =>
    told((all) => STATUSES.forEach((status) => set((of(all, status)?.oldestMs ?? 0) / 1000, status))),
  );
  const parked = { name: 'parked_transactions', help: 'Transactions in the whole log that wait for a person.' };
  gauge(registry, parked, (set) => told((all) => set(all.reduce((sum, one) => sum + one.parked, 0))));
  const oldestParked = {
    name: 'oldest_parked_seconds',
    help: 'Since the begin of the oldest parked transaction of the whole log; 0: there is none.',
  };
  gauge(registry, oldestParked, (set) =>
    told((all) => set(Math.max(0, ...all.map((one) => one.oldestParkedMs ?? 0)) / 1000)),
  );
  const history = new Reading(historyAheadMs);
  const ahead = { name: 'history_ahead_seconds', help: 'How far ahead the partitions of history reach.' };
  gauge(registry, ahead, async (set) => {
    const ms = await history.now();
    if (ms !== null) set(ms / 1000);
  });
}

function of(all: readonly Unfinished[], status: Status): Unfinished | undefined {
  return all.find((one) => one.status === status);
}
