/** One process of many that sell the same item: a service with some customers at a time, which its parent tells what to do. */
import 'reflect-metadata';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError, fenced, Locks, PostgresLocks } from '@tercet/client';
import { RedisLocks } from '@tercet/client/redis';
import { Redis } from 'ioredis';
import pg from 'pg';
import { DataSource } from 'typeorm';
import type { HotStock } from '../inventory/hot-stock/hot-stock.js';
import { NoLock } from '../inventory/hot-stock/no-lock.js';
import { OneLock } from '../inventory/hot-stock/one-lock.js';
import { Segments } from '../inventory/hot-stock/segments.js';

export type Way = 'one lock' | 'segments' | 'no lock';
export type Store = 'PostgreSQL' | 'Redis';

/** What the parent says. */
export interface Errand {
  readonly way: Way;
  readonly store: Store;
  readonly sku: string;
  readonly segments: number;
  readonly customers: number;
  readonly ttlMs: number;
  /** Says when the first sale is under way, and goes on with it when the parent says anything. */
  readonly isHalting: boolean;
}

/** What it hears. */
export type Report =
  | { readonly what: 'ready' }
  | { readonly what: 'under way' }
  | { readonly what: 'first sale' }
  | {
      readonly what: 'done';
      readonly sold: number;
      /** Codes of what its sales were refused with; each was tried again. */
      readonly refused: readonly string[];
    };

/** What has to be known before a sale takes so long. */
const CHECK_MS = 1;

const { DATABASE_URL: url = '', REDIS_URL: redisUrl = '' } = process.env;
const dataSource = new DataSource({ type: 'postgres', url, poolSize: 10 });
const pool = new pg.Pool({ connectionString: url, max: 10 }).on('error', () => undefined);

function report(what: Report): void {
  process.send?.(what);
}

function locksOf(store: Store): Locks<'correctness'> {
  if (store === 'PostgreSQL') return new Locks(new PostgresLocks({ pool }));
  return new Locks(fenced(new RedisLocks(new Redis(redisUrl, { lazyConnect: true })), { pool }));
}

async function halted(): Promise<void> {
  report({ what: 'under way' });
  await once(process, 'message');
}

async function run({ way, store, sku, segments, customers, ttlMs, isHalting }: Errand): Promise<Report> {
  const locks = locksOf(store);
  let isFirst = isHalting;
  const check = async (): Promise<void> => {
    if (isFirst) {
      isFirst = false;
      await halted();
    }
    await sleep(CHECK_MS);
  };
  const stocks: Record<Way, HotStock> = {
    'one lock': new OneLock(dataSource, locks, check, { ttlMs, waitMs: 600_000 }),
    segments: new Segments(dataSource, locks, segments, check, { ttlMs, waitMs: 600_000 }),
    'no lock': new NoLock(dataSource, check),
  };
  let sold = 0;
  const refused: string[] = [];
  const buy = async (customer: string): Promise<void> => {
    for (;;) {
      try {
        if (!(await stocks[way].sell(sku, customer))) return;
        if (sold === 0) report({ what: 'first sale' });
        sold += 1;
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        // Where the lock was lost, what the work met with by then says more.
        refused.push(error.cause instanceof CodedError ? error.cause.code : error.code);
      }
    }
  };
  await Promise.all(Array.from({ length: customers }, (_, index) => buy(`customer ${process.pid}/${index}`)));
  await locks.close();
  return { what: 'done', sold, refused };
}

await dataSource.initialize();
report({ what: 'ready' });
for (;;) {
  const [errand] = (await once(process, 'message')) as [Errand];
  report(await run(errand));
}
