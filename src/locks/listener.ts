/**
 * Hears which locks became free, over one connection that is open while somebody waits. Behind a pooler that hands out
 * its connections by transaction nothing is heard; whoever waits looks again by himself (locks.ts), about every second.
 */
import type { Socket } from 'node:net';
import type { Pool, PoolClient } from 'pg';
import { borrowed } from '../platform/borrowed.js';
import { within } from '../platform/within.js';
import { Wakes } from './wakes.js';

/** Between two attempts to open it. */
const AGAIN_MS = 1000;
/** It stays open for so long after the last one went. */
const LINGER_MS = 5000;
/** A network that went away without a word is noticed by this. */
const KEEP_ALIVE_MS = 10_000;

export interface ListenerParts {
  readonly pool: Pool;
  readonly channel: string;
  readonly limitMs: number;
}

export class Listener {
  private readonly wakes = new Wakes();
  private client: PoolClient | null = null;
  private opening: Promise<void> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly parts: ListenerParts) {}

  /** Calls `wake` for each word of this name, and whenever the connection is open anew. */
  watch(name: string, wake: () => void): () => void {
    this.wakes.add(name, wake);
    if (this.client) wake();
    else this.open();
    return () => {
      if (this.wakes.delete(name, wake) && this.wakes.isEmpty) this.dropLater();
    };
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    await this.opening;
    this.drop();
  }

  private open(): void {
    // With a pool of one connection the listener would keep everybody else from asking.
    if (this.opening || this.client || this.isClosed || this.parts.pool.options.max < 2) return;
    this.opening = this.connect()
      .catch(() => {
        if (!this.wakes.isEmpty) this.later(AGAIN_MS, () => this.open());
      })
      .finally(() => {
        this.opening = null;
      });
  }

  private async connect(): Promise<void> {
    const { pool, channel, limitMs } = this.parts;
    const client = await borrowed(pool.connect(), limitMs);
    client.on('error', () => this.broken(client));
    client.on('notification', ({ payload = '' }) => this.wakes.wake(payload));
    try {
      const late = (): Error => new Error(`no answer within ${limitMs} ms`);
      await within(limitMs, client.query(`LISTEN "${channel}"`), late);
      (client.connection.stream as Socket).setKeepAlive(true, KEEP_ALIVE_MS);
    } catch (error) {
      client.release(true);
      throw error;
    }
    this.client = client;
    // What became free before that was heard by nobody.
    this.wakes.wakeAll();
    if (this.wakes.isEmpty) this.dropLater();
  }

  private broken(client: PoolClient): void {
    if (this.client !== client) return;
    this.drop();
    if (!this.wakes.isEmpty) this.later(AGAIN_MS, () => this.open());
  }

  private drop(): void {
    this.client?.release(true);
    this.client = null;
  }

  /** Unless somebody comes meanwhile who waits. */
  private dropLater(): void {
    this.later(LINGER_MS, () => {
      if (this.wakes.isEmpty) this.drop();
    });
  }

  private later(ms: number, run: () => void): void {
    clearTimeout(this.timer);
    if (this.isClosed) return;
    this.timer = setTimeout(run, ms);
    this.timer.unref();
  }
}
