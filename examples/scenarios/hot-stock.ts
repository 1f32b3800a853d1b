/** `npm run hot-stock`: one item that everybody wants, sold in three ways; exit code 0 only if each sold every piece once. */
import { parseArgs } from 'node:util';
import { createDatabase, runAll, temporaryServer } from './databases.js';
import type { CleanUp } from './databases.js';
import { HotStockSale } from './hot-stock-sale.js';
import type { Sale, Seller } from './hot-stock-sale.js';
import type { Errand } from './hot-stock-seller.js';
import { Narrator } from './narrator.js';
import { findRedis } from './redis.js';

const PROCESSES = 4;
const TTL_MS = 10_000;
/** Short, so that nobody waits long for what a frozen seller has. */
const FROZEN_TTL_MS = 2000;
const FROZEN_PIECES = 20;
const FROZEN_SEGMENTS = 5;

interface Options {
  readonly pieces: number;
  readonly customers: number;
  readonly segments: number;
}

function asked(): Options {
  try {
    const { values } = parseArgs({
      options: {
        pieces: { type: 'string', default: '1600' },
        customers: { type: 'string', default: '40' },
        segments: { type: 'string', default: '16' },
      },
    });
    const whole = (text: string, max: number): number => {
      const value = Number(text);
      if (Number.isInteger(value) && value >= 1 && value <= max) return value;
      throw new RangeError(`'${text}' is no whole number from 1 to ${max}`);
    };
    return {
      pieces: whole(values.pieces, 100_000),
      customers: whole(values.customers, 80),
      segments: whole(values.segments, 64),
    };
  } catch (error) {
    process.stderr.write(`usage: npm run hot-stock [-- --pieces N --customers N --segments N]\n${String(error)}\n`);
    process.exit(2);
  }
}

/** What became of a sale in which the first seller was frozen. */
interface Frozen {
  readonly firstMs: number;
  readonly allMs: number;
  /** With what the frozen one was refused once it ran again. */
  readonly refused: readonly string[];
  readonly oversold: number;
}

type Chosen = Pick<Sale, 'way' | 'store'>;

function choices(hasRedis: boolean): Chosen[] {
  const stores = hasRedis ? (['PostgreSQL', 'Redis'] as const) : (['PostgreSQL'] as const);
  const locked = (['one lock', 'segments'] as const).flatMap((way) => stores.map((store) => ({ way, store })));
  return [...locked, { way: 'no lock', store: 'PostgreSQL' }];
}

function title({ way, segments }: Sale): string {
  if (way === 'no lock') return way;
  return way === 'segments' ? `${segments} segments` : way;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

class Comparison {
  private wrong = 0;

  constructor(
    private readonly sale: HotStockSale,
    private readonly sellers: readonly Seller[],
    private readonly narrator: Narrator,
    private readonly choices: readonly Chosen[],
  ) {}

  get isRight(): boolean {
    return this.wrong === 0;
  }

  async speed({ pieces, customers, segments }: Options): Promise<void> {
    this.narrator.heading(`${pieces} pieces, ${customers} customers in ${PROCESSES} processes`);
    this.narrator.say(
      'Each sale checks something for 1 ms. With a lock that happens between reading the stock and writing it, and the ' +
        'write demands the token of the lock.',
    );
    const rows: string[][] = [];
    let slowest = 0;
    for (const chosen of this.choices) {
      const plan = { ...chosen, pieces, segments, ttlMs: TTL_MS };
      const what = `${title(plan)}${plan.way === 'no lock' ? '' : `, locks in ${plan.store}`}`;
      const { ms, oversold, left } = await this.narrator.during(what, this.sellOut(plan, customers));
      slowest ||= ms;
      const store = plan.way === 'no lock' ? '–' : plan.store;
      const rate = [seconds(ms), (pieces / (ms / 1000)).toFixed(0), (slowest / ms).toFixed(1)];
      rows.push([title(plan), store, ...rate, String(oversold), String(left)]);
    }
    this.narrator.line();
    this.narrator.table(['way', 'locks in', 'time', 'sold/s', 'times faster', 'oversold', 'left'], rows);
  }

  async frozen(): Promise<void> {
    this.narrator.heading('A seller is frozen in the middle of a sale');
    this.narrator.say(
      `It has read the stock, then it gets SIGSTOP; its lock ends after ${FROZEN_TTL_MS / 1000} s. Another sells what is ` +
        'there. Then the first one runs again, and writes what it read before.',
    );
    const rows: string[][] = [];
    for (const chosen of this.choices) {
      const plan = { ...chosen, pieces: FROZEN_PIECES, segments: FROZEN_SEGMENTS, ttlMs: FROZEN_TTL_MS };
      const what = `${title(plan)}, ${plan.store}`;
      const { firstMs, allMs, refused, oversold } = await this.narrator.during(what, this.freeze(plan));
      const store = plan.way === 'no lock' ? '–' : plan.store;
      const verdict = refused.length > 0 ? refused.join() : 'finds none left';
      rows.push([title(plan), store, seconds(firstMs), seconds(allMs), verdict, String(oversold)]);
    }
    this.narrator.line();
    this.narrator.table(['way', 'locks in', 'next sale', 'all sold', 'awake again', 'oversold'], rows);
  }

  private async sellOut(plan: Sale, customers: number): Promise<{ ms: number; oversold: number; left: number }> {
    const sku = await this.sale.stock(plan);
    const share = (index: number): number => Math.ceil((customers - index) / PROCESSES);
    const errand = errandOf(plan, sku);
    const from = performance.now();
    for (const [index, seller] of this.sellers.entries()) seller.start({ ...errand, customers: share(index) });
    await Promise.all(this.sellers.map((seller) => seller.heard('done')));
    return { ms: performance.now() - from, ...(await this.verified(plan, sku)) };
  }

  private async freeze(plan: Sale): Promise<Frozen> {
    const sku = await this.sale.stock(plan);
    const [victim, other] = this.sellers;
    if (!victim || !other) throw new Error('two sellers are needed');
    const errand = errandOf(plan, sku);
    victim.start({ ...errand, isHalting: true });
    await victim.heard('under way');
    victim.freeze();
    const from = performance.now();
    other.start(errand);
    await other.heard('first sale');
    const firstMs = performance.now() - from;
    await other.heard('done');
    const allMs = performance.now() - from;
    victim.thaw();
    const { refused } = await victim.heard('done');
    return { firstMs, allMs, refused, ...(await this.verified(plan, sku)) };
  }

  private async verified({ pieces }: Sale, sku: string): Promise<{ oversold: number; left: number }> {
    const { sold, left } = await this.sale.count(sku);
    const oversold = Math.max(0, sold - pieces);
    if (sold !== pieces || left !== 0) this.wrong += 1;
    return { oversold, left };
  }
}

function errandOf({ way, store, segments, ttlMs }: Sale, sku: string): Errand {
  return { way, store, sku, segments, ttlMs, customers: 1, isHalting: false };
}

async function main(): Promise<void> {
  const options = asked();
  const narrator = new Narrator();
  narrator.line(narrator.style('Tercet: one item that everybody wants, sold in three ways', 'bold'));
  const cleanUps: CleanUp[] = [];
  let isRight = false;
  try {
    const server = await narrator.during('starting PostgreSQL', temporaryServer(cleanUps));
    const redisUrl = await narrator.during('looking for Redis', findRedis(cleanUps));
    if (!redisUrl) narrator.say('No Redis: set REDIS_URL or install redis-server, and the locks are also kept there.');
    const sale = await HotStockSale.open(await createDatabase(server, 'hot_stock'), redisUrl);
    cleanUps.push(() => sale.close());
    const starting = Promise.all(Array.from({ length: PROCESSES }, () => sale.seller()));
    const sellers = await narrator.during(`starting ${PROCESSES} sellers`, starting);
    const comparison = new Comparison(sale, sellers, narrator, choices(redisUrl !== null));
    await comparison.speed(options);
    await comparison.frozen();
    ({ isRight } = comparison);
    narrator.line();
    if (isRight) narrator.good('Every piece was sold once, in each way, also where a seller was frozen.');
    else narrator.bad('Some pieces were sold twice, or not at all.');
  } catch (error) {
    narrator.bad(error instanceof Error ? error.message : String(error));
  } finally {
    await narrator.during('stopping', runAll(cleanUps));
  }
  process.exitCode = isRight ? 0 : 1;
}

await main();
