/** What stands in the database, looked at no more often than it needs to be. */

/** The database is asked at most so often, whoever scrapes. */
const READING_MS = 5000;
/** A scrape waits no longer for it. */
const PATIENCE_MS = 2000;

/** One reading for all who ask within some seconds; null while the database does not answer. */
export class Reading<T> {
  private reading: Promise<T | null> = Promise.resolve(null);
  private readAt = -Infinity;
  private isReading = false;

  constructor(private readonly read: () => Promise<T>) {}

  now(): Promise<T | null> {
    const now = performance.now();
    if (!this.isReading && now - this.readAt >= READING_MS) {
      this.isReading = true;
      this.readAt = now;
      this.reading = this.read().then(
        (value) => value,
        () => null,
      );
      void this.reading.then(() => (this.isReading = false));
    }
    return within(this.reading, PATIENCE_MS);
  }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), ms)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
