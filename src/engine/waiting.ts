/** Waiting for a transaction to get somewhere, wherever it is driven. */
import { isEnded } from '../domain/transaction.js';
import type { Transaction } from '../domain/transaction.js';
import type { Wait } from '../protocol/words.js';
import type { Driver } from './driver.js';
import { LogUnavailable } from './ports.js';
import type { Clock, Held, TransactionLog } from './ports.js';

/** How often the log is looked at by those who wait for a transaction that another node drives. */
const POLL_MS = 200;
/** The same for one that this node drives: another node may have been told to decide it. */
const LOOK_MS = 1000;

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

export interface Lookout {
  readonly log: TransactionLog;
  readonly clock: Clock;
  readonly driver: Driver;
  /** Whether this node answers now what it knows, because it is about to end. */
  readonly isClosing: () => boolean;
}

/** Shows only what is durable, and never less than before. A parked transaction ends the wait (G7). */
export async function waitFor(
  from: Held,
  { until, ms, left }: Waiting,
  { log, clock, driver, isClosing }: Lookout,
): Promise<Answered> {
  const end = clock.monotonic() + ms;
  let held = from;
  let hasLeft = false;
  void left?.then(() => {
    hasLeft = true;
  });
  for (;;) {
    driver.see(held);
    if (isReached(held.tx, until)) return { tx: held.tx, reached: true };
    const leftMs = end - clock.monotonic();
    if (until === 'accepted' || held.tx.parked || leftMs <= 0 || hasLeft || isClosing()) {
      return { tx: held.tx, reached: false };
    }
    const drive = driver.get(held.tx.gid);
    const isNews = drive !== undefined && drive.saved.version > held.version;
    if (!isNews) await pause(clock, Math.min(leftMs, drive ? LOOK_MS : POLL_MS), drive?.watch, left && after(left));
    // Durable whoever owns it by now.
    if (drive && drive.saved.version > held.version) held = drive.saved;
    else if (!isClosing()) {
      const seen = await look(log, held.tx.gid);
      if (seen && seen.version > held.version) held = seen;
    }
  }
}

/** What the log holds; null while it cannot be asked: what was known is still true. */
async function look(log: TransactionLog, gid: string): Promise<Held | null> {
  try {
    return await log.get(gid);
  } catch (error) {
    if (error instanceof LogUnavailable) return null;
    throw error;
  }
}

/** Something that may happen: calls back when it does, until the returned function is called. */
type Event = (happened: () => void) => (() => void) | void;

function after(promise: Promise<void>): Event {
  return (happened) => void promise.then(happened);
}

/** For `ms`, or until one of the events comes first. */
export function pause(clock: Clock, ms: number, ...events: (Event | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      cancel();
      for (const forget of watched) forget?.();
      resolve();
    };
    const cancel = clock.after(ms, finish);
    const watched = events.map((event) => event?.(finish));
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
