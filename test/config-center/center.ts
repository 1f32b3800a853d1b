/** A configuration center on a database of its own, and others beside it as other processes have them. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { ConfigCenter } from '../../src/config-center/center.js';
import { parseMasterKeys } from '../../src/config-center/master-keys.js';
import type { BuiltIn } from '../../src/config-center/parts.js';
import type { LockStore } from '../../src/locks/lock.js';
import { PostgresLocks } from '../../src/locks/postgres.js';
import { SYSTEM_CLOCK } from '../../src/platform/surroundings.js';
import type { ConfigContent, DraftView } from '../../src/protocol/config.js';
import { TercetError } from '../../src/protocol/errors.js';
import { Database } from '../../src/storage/database.js';
import { prepareDatabase } from '../../src/storage/data-source.js';
import { LOCK_TABLE } from '../../src/storage/guarded.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';

export const LEASE_MS = 20_000;

/** One entry of TERCET_CONFIG_KEYS. */
export function masterKey(id: string): string {
  return `${id}:${randomBytes(32).toString('base64')}`;
}

/** Of the namespace tercet/coordinator: `pool` is a number. */
const BUILT_IN: BuiltIn = {
  schema: { type: 'object', properties: { pool: { type: 'number' } } },
  check: ({ pool }) =>
    pool === undefined || typeof pool === 'number' ? [] : [{ path: '/pool', message: 'must be number' }],
};

interface Beside {
  readonly keys?: string | null;
  readonly locks?: LockStore<'correctness'>;
  /** Called after what changes something was committed. */
  readonly changed?: (database: Database) => void;
}

export class Bench {
  readonly told: string[] = [];
  readonly logged: string[] = [];
  private readonly closing: (() => Promise<void>)[] = [];
  readonly locks: PostgresLocks;
  readonly center: ConfigCenter;

  private constructor(
    private readonly own: TestDatabase,
    readonly pool: pg.Pool,
    keys: string | null,
  ) {
    this.locks = new PostgresLocks({ pool, table: LOCK_TABLE });
    this.center = this.another({ keys });
  }

  static async start(keys: string | null = masterKey('k1')): Promise<Bench> {
    const own = await createDatabase();
    await prepareDatabase(own.url, 'auto', { info() {}, warn() {}, error() {} });
    const pool = new pg.Pool({ connectionString: own.url, max: 20 });
    pool.on('error', () => undefined);
    return new Bench(own, pool, keys);
  }

  /** One more, as another process has it. */
  another({ keys = null, locks, changed }: Beside): ConfigCenter {
    const log = (fields: object, message: string): void =>
      void this.logged.push(`${message} ${JSON.stringify(fields)}`);
    const logger = { info: log, warn: log, error: log };
    const database = new Database({ url: this.own.url, leaseMs: LEASE_MS }, logger);
    this.closing.push(() => database.close().catch(() => undefined));
    return new ConfigCenter({
      database,
      locks: locks ?? this.locks,
      keys: keys === null ? null : parseMasterKeys(keys),
      builtIn: new Map([['tercet/coordinator', BUILT_IN]]),
      leaseMs: LEASE_MS,
      clock: SYSTEM_CLOCK,
      logger,
      changed: (environment) => {
        this.told.push(environment);
        changed?.(database);
      },
    });
  }

  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.pool.query<Row>(text, values)).rows;
  }

  /** Drafted on what is there. */
  async draft(
    environment: string,
    namespace: string,
    content: ConfigContent,
    who = 'ann',
    mayRead = true,
  ): Promise<DraftView> {
    const { release: base, draft } = await this.center.namespace(environment, namespace);
    const write = { base, revision: draft?.revision ?? 0, content, reason: 'because' };
    return this.center.writeDraft(environment, namespace, write, who, mayRead);
  }

  /** Made where it is not there, drafted, and released to all. */
  async release(environment: string, contents: Record<string, ConfigContent>): Promise<number> {
    for (const [namespace, content] of Object.entries(contents)) {
      if (environment !== 'tercet') await this.center.put(environment, namespace, {}, 'ann');
      await this.draft(environment, namespace, content);
    }
    const order = { namespaces: Object.keys(contents), reason: 'it is time', mode: 'all' } as const;
    return (await this.center.release(environment, order, 'rob')).view.release;
  }

  /** By namespace: what is in force, and its content. */
  async inForce(environment: string): Promise<Record<string, [number | null, ConfigContent | null]>> {
    const { namespaces } = await this.center.namespaces(environment);
    const views = await Promise.all(namespaces.map(({ namespace }) => this.center.namespace(environment, namespace)));
    return Object.fromEntries(views.map(({ namespace, release, content }) => [namespace, [release, content]]));
  }

  async revision(environment: string): Promise<number> {
    const { environments } = await this.center.environments();
    return environments.find((each) => each.environment === environment)!.revision;
  }

  async close(): Promise<void> {
    await Promise.all(this.closing.map((close) => close()));
    await this.locks.close();
    await this.pool.end();
    await this.own.drop();
  }
}

/** What it was refused with. */
export async function refusal(asked: Promise<unknown>): Promise<TercetError> {
  const error: unknown = await asked.then(
    (value) => new Error(`it was not refused: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof TercetError) return error;
  throw error;
}

/** Of several at once. */
export function refusals(...asked: Promise<unknown>[]): Promise<TercetError[]> {
  return Promise.all(asked.map(refusal));
}

/** The same locks, asked in another way. */
export function storeBeside(
  store: LockStore<'correctness'>,
  over: Partial<LockStore<'correctness'>>,
): LockStore<'correctness'> {
  return {
    lockClass: 'correctness',
    acquire: (wish) => store.acquire(wish),
    renew: (wish) => store.renew(wish),
    release: (wish) => store.release(wish),
    watch: (name, wake) => store.watch(name, wake),
    list: (filter) => store.list(filter),
    show: (name) => store.show(name),
    seize: (name) => store.seize(name),
    close: () => store.close(),
    ...over,
  };
}
