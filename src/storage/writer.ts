/**
 * Group commit. Whoever writes while a flush is under way goes out with the next one: no delay when nothing else is
 * going on, and one commit for hundreds of transactions when much is. What nobody waits for makes no flush of its own
 * for a moment: most goes out with a begin or a decision that is awaited. The next flush is sent before those hear of the
 * last one who wrote it: what they do then takes this process about as long as the flush takes the database.
 *
 * A flush is one statement. If one row makes it fail, because of what it carries or because somebody else holds it,
 * the flush is taken apart, so that only that row's writer hears of it (G10). The same if all of it is too slow for one
 * statement: what is slow together may be in time in parts.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { isCollision, isDataError, isLockWait, isTooSlow } from './database.js';
import type { Lane } from './database.js';
import type { Written } from './flush.js';
import { charsOf } from './writes.js';
import type { Write } from './writes.js';

/** Rows and characters of one flush. */
const MAX_ROWS = 500;
const MAX_CHARS = 4 * 1024 * 1024;
/** For how long what nobody waits for waits for company. */
const COMPANY_MS = 20;
const MAX_COLLISIONS = 5;
/** As many parts of one flush as it takes to find one row among MAX_ROWS; then it is the database that is slow. */
const MAX_SLOW = 10;

interface Waiting {
  readonly write: Write;
  readonly resolve: (result: Written) => void;
  readonly reject: (error: unknown) => void;
}

export class Writer {
  private queue: Waiting[] = [];
  private isFlushing = false;
  /** Whether something in the queue is awaited, or has waited for company long enough. */
  private isAwaited = false;
  private timer: NodeJS.Timeout | null = null;
  /** Tells the writers of a flush that was committed. */
  private readonly untold: (() => void)[] = [];
  /** Flushes that were committed, and the begins and saves that went out with them. */
  readonly counts = { flushes: 0, writes: 0 };

  /**
   * @param send sends one flush; gives the result of each write, in order
   * @param flushed told after each: how many writes it had, 0 if it was not committed, and how long it took
   */
  constructor(
    private readonly send: (batch: readonly Write[], lane: Lane) => Promise<Written[]>,
    private readonly flushed: (rows: number, durationMs: number) => void,
  ) {}

  /** Resolves after the commit. @param canWait whether nobody waits for it */
  write(write: Write, canWait = false): Promise<Written> {
    return new Promise((resolve, reject) => {
      this.queue.push({ write, resolve, reject });
      this.isAwaited ||= !canWait;
      if (!this.isFlushing) void this.pump();
    });
  }

  private async pump(): Promise<void> {
    this.isFlushing = true;
    // Whoever writes in the same turn of the event loop goes along.
    await turn();
    while (this.isAwaited) {
      const batch = this.next();
      this.isAwaited = this.queue.length > 0;
      const flushing = this.flush(batch);
      // It leaves in this turn.
      if (this.untold.length > 0) await turn();
      this.tell();
      await flushing;
    }
    this.isFlushing = false;
    this.tell();
    if (this.queue.length > 0) this.timer ??= setTimeout(() => this.endWait(), COMPANY_MS);
  }

  private tell(): void {
    for (const tell of this.untold.splice(0)) tell();
  }

  private endWait(): void {
    this.timer = null;
    this.isAwaited = this.queue.length > 0;
    if (!this.isFlushing) void this.pump();
  }

  private next(): Waiting[] {
    const batch: Waiting[] = [];
    const left: Waiting[] = [];
    const gids = new Set<string>();
    let chars = 0;
    for (const waiting of this.queue) {
      const { write } = waiting;
      const own = charsOf(write);
      const isFull = batch.length >= MAX_ROWS || (batch.length > 0 && chars + own > MAX_CHARS);
      if (isFull || gids.has(write.gid)) left.push(waiting);
      else {
        batch.push(waiting);
        gids.add(write.gid);
        chars += own;
      }
    }
    this.queue = left;
    return batch;
  }

  /** @param slow how many parts of this flush were too slow before; resolves to how many there are after it */
  private async flush(batch: Waiting[], slow = 0): Promise<number> {
    try {
      this.untold.push(await this.settle(batch, 'flush'));
    } catch (error) {
      if (isTooSlow(error)) slow += 1;
      if (batch.length > 1 && (isDataError(error) || (isTooSlow(error) && slow < MAX_SLOW))) {
        const middle = batch.length >> 1;
        slow = await this.flush(batch.slice(0, middle), slow);
        this.tell();
        slow = await this.flush(batch.slice(middle), slow);
      } else if (isLockWait(error)) {
        // Beside the next flush: whoever waits for a row that is held waits by himself.
        for (const waiting of batch) {
          void this.settle([waiting], 'log').then((tell) => tell(), waiting.reject);
        }
      } else for (const { reject } of batch) reject(error);
    }
    return slow;
  }

  /** @returns what tells the writers of its results */
  private async settle(batch: readonly Waiting[], lane: Lane): Promise<() => void> {
    const writes = batch.map(({ write }) => write);
    const sentAt = performance.now();
    let written = 0;
    try {
      const results = await this.sendAgain(writes, lane);
      written = batch.length;
      this.counts.flushes += 1;
      this.counts.writes += written;
      // The results are as many as the writes.
      return () => batch.forEach(({ resolve }, index) => resolve(results[index] ?? 'there'));
    } finally {
      this.flushed(written, performance.now() - sentAt);
    }
  }

  private async sendAgain(writes: readonly Write[], lane: Lane): Promise<Written[]> {
    for (let collisions = 1; ; collisions += 1) {
      try {
        return await this.send(writes, lane);
      } catch (error) {
        if (!isCollision(error) || collisions >= MAX_COLLISIONS) throw error;
      }
    }
  }
}
