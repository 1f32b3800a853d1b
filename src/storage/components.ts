/** The registered components. This node knows them all and hears of changes by asking for what is newer. */
import type pg from 'pg';
import { LogUnavailable } from '../engine/ports.js';
import type { Component, ComponentDirectory, Instance, Logger } from '../engine/ports.js';
import { DEFAULT_CHECK, OPS } from '../protocol/words.js';
import type { ComponentView, Op } from '../protocol/words.js';
import { Database } from './database.js';
import type { DatabaseSettings, PoolUse } from './database.js';
import { PostgresInstances, REMOVE } from './instances.js';
import { componentText } from './rows.js';

/** A replaced URL is used within a second. */
const POLL_MS = 700;
const CONNECTIONS = 2;

export type StoredComponent = Omit<ComponentView, 'effective' | 'instances' | 'calls'>;
export type ComponentDefinition = Omit<StoredComponent, 'createdAt' | 'updatedAt'>;

interface Row {
  name: string;
  /** JSON of the definition without its name. */
  definition: string;
  revision: string;
  created_at: Date;
  updated_at: Date;
  deleted_at: Date | null;
}

interface Known {
  readonly component: Component;
  readonly revision: bigint;
  readonly isDeleted: boolean;
}

/** What was registered before there were messages says nothing of checks. */
const WITHOUT_CHECK: Partial<ComponentDefinition> = { check: DEFAULT_CHECK };
const COLUMNS = 'name, definition, revision, created_at, updated_at, deleted_at';
/** Whether an unfinished transaction has a branch of $1, which stands as $2 in its row. */
const IN_USE = `
  SELECT FROM tercet.transaction WHERE strpos(branches, $2) > 0 UNION ALL
  SELECT FROM tercet.branch WHERE component = $1 LIMIT 1`;
/** Asked first: one small statement where there is no news, which is nearly always. Null: nobody ever registered anything. */
const NEWEST = `
  SELECT pg_sequence_last_value('tercet.component_revision') AS component,
         pg_sequence_last_value('tercet.instance_revision') AS instance`;
/** One change at a time: then revisions become visible in their order, and nobody who asks for newer ones misses one. */
const ONE_AT_A_TIME = 'LOCK TABLE tercet.component IN SHARE ROW EXCLUSIVE MODE';

export class PostgresComponents implements ComponentDirectory {
  readonly instances: PostgresInstances;
  private readonly database: Database;
  private readonly known = new Map<string, Known>();
  private revision = 0n;
  private timer: NodeJS.Timeout | null = null;
  private isRunning = false;
  private isFailing = false;

  constructor(
    settings: DatabaseSettings,
    private readonly logger: Logger,
  ) {
    this.database = new Database({ ...settings, connections: CONNECTIONS }, logger);
    this.instances = new PostgresInstances(this.database, ONE_AT_A_TIME);
  }

  /** Loads all, then follows the changes. Rejects with LogUnavailable when the database cannot be reached. */
  async start(): Promise<void> {
    await this.follow(true);
    this.isRunning = true;
    this.schedule();
  }

  async stop(): Promise<void> {
    this.isRunning = false;
    if (this.timer) clearTimeout(this.timer);
    await this.database.close();
  }

  /** What its connections do at this moment, by what they are for. */
  get connections(): Record<'component' | 'beat', PoolUse> {
    const { log, beat } = this.database.use;
    return { component: log, beat };
  }

  get(name: string): Component | undefined {
    return this.known.get(name)?.component;
  }

  async find(name: string): Promise<Component | undefined> {
    const known = this.known.get(name);
    if (known && !known.isDeleted) return known.component;
    const row = await this.row(name);
    if (row) this.note(row);
    return row && row.deleted_at === null ? this.componentOf(row) : undefined;
  }

  /** Registers or replaces; the same again changes nothing. */
  async put(definition: ComponentDefinition): Promise<{ created: boolean; component: StoredComponent }> {
    const { name, ...rest } = definition;
    const text = JSON.stringify(rest);
    const { row, created } = await this.database.inTransaction(async (client) => {
      await client.query(ONE_AT_A_TIME);
      const there = await byName(client, name);
      if (there?.deleted_at === null && there.definition === text) return { row: there, created: false };
      const isNew = !there || there.deleted_at !== null;
      const { rows } = await client.query<Row>(
        `INSERT INTO tercet.component (name, definition) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET definition = $2, revision = excluded.revision, updated_at = now(),
           deleted_at = NULL, created_at = CASE WHEN component.deleted_at IS NULL THEN component.created_at ELSE now() END
         RETURNING ${COLUMNS}`,
        [name, text],
      );
      return { row: rows[0], created: isNew };
    });
    if (!row) throw new LogUnavailable(`component '${name}' was not stored`);
    this.note(row);
    return { created, component: viewOf(row) };
  }

  /** Takes it out with its instances, unless an unfinished transaction has a branch of it. Running ones elsewhere still find it. */
  async remove(name: string): Promise<'removed' | 'in use' | 'unknown'> {
    const result = await this.database.inTransaction(async (client) => {
      await client.query(ONE_AT_A_TIME);
      const there = await byName(client, name);
      if (!there || there.deleted_at !== null) return 'unknown';
      const { rows: users } = await client.query(IN_USE, [name, componentText(name)]);
      if (users.length > 0) return 'in use';
      const { rows } = await client.query<Row>(
        `UPDATE tercet.component SET deleted_at = now(), revision = nextval('tercet.component_revision')
          WHERE name = $1 RETURNING ${COLUMNS}`,
        [name],
      );
      await client.query(REMOVE, [name, null]);
      return rows[0] ?? 'unknown';
    });
    if (typeof result === 'string') return result;
    this.note(result);
    return 'removed';
  }

  /** As registered now; null: it is not. */
  async view(name: string): Promise<StoredComponent | null> {
    const row = await this.row(name);
    return row && row.deleted_at === null ? viewOf(row) : null;
  }

  /** All that are registered now, by name. */
  async list(): Promise<StoredComponent[]> {
    const rows = await this.database.read<Row>(
      `SELECT ${COLUMNS} FROM tercet.component WHERE deleted_at IS NULL ORDER BY name`,
    );
    return rows.map(viewOf);
  }

  private async row(name: string): Promise<Row | undefined> {
    const rows = await this.database.read<Row>(`SELECT ${COLUMNS} FROM tercet.component WHERE name = $1`, [name]);
    return rows[0];
  }

  /** @param isAll the tables are read whatever the sequences say: in a replica that took over they may be behind */
  private async follow(isAll = false): Promise<void> {
    const [newest] = await this.database.read<{ component: string | null; instance: string | null }>(NEWEST);
    if (isAll || BigInt(newest?.component ?? 0) > this.revision) {
      const rows = await this.database.read<Row>(
        `SELECT ${COLUMNS} FROM tercet.component WHERE revision > $1 ORDER BY revision`,
        [this.revision],
      );
      for (const row of rows) this.note(row);
      const last = rows.at(-1);
      if (last) this.revision = BigInt(last.revision);
    }
    await this.instances.follow(isAll ? null : BigInt(newest?.instance ?? 0));
  }

  private schedule(): void {
    this.timer = setTimeout(() => {
      void this.follow()
        .then(
          () => {
            this.isFailing = false;
          },
          (error: unknown) => {
            // Said once: the database is away, and others say so too.
            if (!this.isFailing && this.isRunning)
              this.logger.warn({ error: String(error) }, 'changes of components are not seen now');
            this.isFailing = true;
          },
        )
        .then(() => {
          if (this.isRunning) this.schedule();
        });
    }, POLL_MS);
  }

  private note(row: Row): void {
    const revision = BigInt(row.revision);
    const known = this.known.get(row.name);
    // An answer that was on its way while a newer one came in.
    if (known && known.revision >= revision) return;
    this.known.set(row.name, { component: this.componentOf(row), revision, isDeleted: row.deleted_at !== null });
  }
  private componentOf(row: Row): Component {
    const { name, url, endpoints, timeoutMs, concurrency, retry, check } = viewOf(row);
    const targets: Partial<Record<Op, string>> = {};
    for (const op of OPS) {
      const target = endpoints[op] ?? (url === null ? undefined : `${url.replace(/\/+$/, '')}/${op}`);
      if (target !== undefined) targets[op] = target;
    }
    // An instance stands in for the `url`, or where there is none for the endpoints. What has an endpoint beside a `url`,
    // or what the component lacks, is not called there.
    const instances = (op: Op): readonly Instance[] =>
      (url === null) === (endpoints[op] === undefined) ? [] : this.instances.of(name);
    return { name, timeoutMs, concurrency, callsPerSecond: null, retry, check, targets, instances };
  }
}

async function byName(client: pg.PoolClient, name: string): Promise<Row | undefined> {
  const { rows } = await client.query<Row>(`SELECT ${COLUMNS} FROM tercet.component WHERE name = $1`, [name]);
  return rows[0];
}

function viewOf(row: Row): StoredComponent {
  const { created_at: createdAt, updated_at: updatedAt } = row;
  const definition = { ...WITHOUT_CHECK, ...(JSON.parse(row.definition) as Omit<ComponentDefinition, 'name'>) };
  return { name: row.name, ...definition, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}
