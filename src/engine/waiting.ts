/** Waiting for a transaction to get somewhere, wherever it is driven. */
import { isEnded } from '../domain/transaction.js';
import type { Transaction } from '../domain/transaction.js';
import type { Wait } from '../protocol/words.js';
import type { Driver } from './driver.js';
import type { Clock, Held, TransactionLog } from './ports.js';

/** How often a transaction that another node drives is looked at by those who wait for it. */
const POLL_MS = 200;

export interface Waiting {
  readonly until: Wait;
  readonly ms: number;
  /** Resolves when whoever asked has gone away. */
  readonly left?: Promise<void>;
}

export interface Answered {
  readonly tx: Transaction;
  /** Whether what was waited for has come; never so for `accepted`, which waits for nothing. */
  readonly reached: boolean;
}

/** Shows only what is durable, so that no later look shows less. A parked transaction ends the wait (G7). */
export async function waitFor(
  from: Held,
  { until, ms, left }: Waiting,
  { log, clock, driver }: { log: TransactionLog; clock: Clock; driver: Driver },
): Promise<Answered> {
  const end = clock.monotonic() + ms;
  let held = from;
  let isAlone = false;
  void left?.then(() => {
    isAlone = true;
  });
  for (;;) {
    if (isReached(held.tx, until)) return { tx: held.tx, reached: true };
    const leftMs = end - clock.monotonic();
    if (until === 'accepted' || held.tx.parked || leftMs <= 0 || isAlone) return { tx: held.tx, reached: false };
    const drive = driver.get(held.tx.gid);
    if (drive && drive.saved.version > held.version) held = drive.saved;
    else {
      await pause(clock, drive ? leftMs : Math.min(POLL_MS, leftMs), drive?.changed(), left);
      held = drive?.isCurrent ? drive.saved : ((await log.get(held.tx.gid)) ?? held);
    }
  }
}

/** For `ms`, or until one of the events comes first. */
export function pause(clock: Clock, ms: number, ...events: (Promise<void> | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      cancel();
      resolve();
    };
    const cancel = clock.after(ms, finish);
    for (const event of events) void event?.then(finish);
  });
}

function isReached(tx: Transaction, until: Wait): boolean {
  switch (until) {
    case 'accepted':
      return false;
    case 'decided':
      return tx.decision !== null;
    case 'settled':
      return isEnded(tx);
  }
}
