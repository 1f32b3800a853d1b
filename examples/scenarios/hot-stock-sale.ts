/** One item, sold out by several processes at once; and what was sold, counted in the database. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installLocks } from '@tercet/client';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { CreateHotStock1795305600000 } from '../inventory/hot-stock/hot-stock.js';
import type { Errand, Report, Store, Way } from './hot-stock-seller.js';

/** This file runs as dist/examples/scenarios/hot-stock-sale.js, and from the tests as examples/scenarios/hot-stock-sale.ts. */
const here = dirname(fileURLToPath(import.meta.url));
const script = join(
  import.meta.url.endsWith('.js') ? here : join(here, '../../dist/examples/scenarios'),
  'hot-stock-seller.js',
);

export interface Sale {
  readonly way: Way;
  readonly store: Store;
  readonly pieces: number;
  readonly segments: number;
  readonly ttlMs: number;
}

export interface Count {
  readonly sold: number;
  readonly left: number;
}

/** The databases that sellers need: their own PostgreSQL with the tables, and Redis where it is there. */
export class HotStockSale {
  private skus = 0;
  private readonly sellers: Seller[] = [];

  private constructor(
    readonly pool: pg.Pool,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  static async open(databaseUrl: string, redisUrl: string | null): Promise<HotStockSale> {
    const migrations = [CreateHotStock1795305600000];
    const dataSource = new DataSource({ type: 'postgres', url: databaseUrl, migrations });
    await dataSource.initialize();
    await dataSource.runMigrations();
    await dataSource.destroy();
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 }).on('error', () => undefined);
    const client = await pool.connect();
    await installLocks(client);
    client.release();
    return new HotStockSale(pool, { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl ?? '' });
  }

  /** Puts the pieces on the shelf: in one row, or spread evenly over the rows of the segments. @returns the sku */
  async stock({ way, pieces, segments }: Sale): Promise<string> {
    this.skus += 1;
    const sku = `lamp-${this.skus}`;
    const rows = way === 'segments' ? segments : 1;
    await this.pool.query(
      `INSERT INTO hot_stock (sku, segment, pieces)
       SELECT $1, n, $2::integer / $3 + CASE WHEN n < $2 % $3 THEN 1 ELSE 0 END FROM generate_series(0, $3 - 1) n`,
      [sku, pieces, rows],
    );
    return sku;
  }

  async seller(): Promise<Seller> {
    const child = fork(script, { env: { ...process.env, ...this.env } });
    const seller = new Seller(child);
    this.sellers.push(seller);
    await seller.heard('ready');
    return seller;
  }

  async count(sku: string): Promise<Count> {
    const { rows } = await this.pool.query<Count>(
      `SELECT (SELECT count(*)::integer FROM hot_sale WHERE sku = $1) AS sold,
              (SELECT sum(pieces)::integer FROM hot_stock WHERE sku = $1) AS left`,
      [sku],
    );
    return rows[0] ?? { sold: 0, left: 0 };
  }

  /** Ends the sellers with it. */
  async close(): Promise<void> {
    await Promise.all(this.sellers.map((seller) => seller.kill()));
    await this.pool.end();
  }
}

export class Seller {
  private readonly reports: Report[] = [];
  private readonly ended: Promise<void>;
  private hasEnded = false;
  private readonly listening = new Set<() => void>();

  constructor(private readonly child: ChildProcess) {
    child.on('message', (report: Report) => {
      this.reports.push(report);
      this.wake();
    });
    this.ended = new Promise((done) => {
      child.once('close', () => {
        this.hasEnded = true;
        this.wake();
        done();
      });
    });
  }

  start(errand: Errand): void {
    this.child.send(errand);
  }

  /** Its next report of this kind; what it said before is forgotten. @throws Error when the process ends without it */
  async heard<W extends Report['what']>(what: W): Promise<Extract<Report, { what: W }>> {
    for (;;) {
      const at = this.reports.findIndex((each) => each.what === what);
      const [report] = at < 0 ? [] : this.reports.splice(0, at + 1).slice(-1);
      if (report) return report as Extract<Report, { what: W }>;
      if (this.hasEnded) throw new Error(`a seller ended before its report '${what}'`);
      await new Promise<void>((resolve) => this.listening.add(resolve));
    }
  }

  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  /** It runs again, and goes on with the sale that is under way. */
  thaw(): void {
    this.child.kill('SIGCONT');
    this.child.send('go on');
  }

  /** As a crash does, frozen or not. */
  async kill(): Promise<void> {
    if (!this.hasEnded) this.child.kill('SIGKILL');
    await this.ended;
  }

  private wake(): void {
    for (const resolve of this.listening) resolve();
    this.listening.clear();
  }
}
