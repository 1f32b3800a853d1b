/**
 * The running instances of components. A heartbeat is one statement on a connection of its own, and no news to other
 * nodes: they go by the lease as they saw it last, and look again when half of it is over. News (a new instance, a moved
 * one, one that is back, one that signed off) has a new revision, which every node asks for.
 */
import type pg from 'pg';
import { LogUnavailable } from '../engine/ports.js';
import type { Instance } from '../engine/ports.js';
import type { InstanceView } from '../protocol/words.js';
import type { Database } from './database.js';

/** An instance that does not beat any more is shown for so long after its lease. */
const KEPT = `interval '1 hour'`;
/** Not to have heard from the database for longer is an outage of it. */
const OUTAGE_MS = 2000;

export type StoredInstance = Omit<InstanceView, 'inFlight' | 'failureRate' | 'breaker'>;

interface Row {
  component: string;
  instance: string;
  url: string;
  ttl_ms: number;
  revision: string;
  beaten_at: Date;
  until: Date;
  is_removed: boolean;
  /** Of the lease, by the clock of the database. */
  left_ms: number;
}

interface Known extends Instance {
  readonly ttlMs: number;
  /** The lease was over when it was last looked at. */
  readonly isOver: boolean;
}

const COLUMNS = `component, instance, url, ttl_ms, revision, beaten_at, until, is_removed,
  (extract(epoch FROM until - clock_timestamp()) * 1000)::float8 AS left_ms`;

/** One that waited for a removal is older than it: `until` alone would not say so. */
const BEAT = `
  UPDATE tercet.instance SET beaten_at = now(), until = now() + ttl_ms * interval '1 ms'
   WHERE component = $1 AND instance = $2 AND url = $3 AND ttl_ms = $4 AND until > now()
     AND NOT is_removed
  RETURNING ${COLUMNS}`;

const PUT = `
  INSERT INTO tercet.instance (component, instance, url, ttl_ms, until)
  VALUES ($1, $2, $3, $4::integer, now() + $4::integer * interval '1 ms')
  ON CONFLICT (component, instance) DO UPDATE
    SET url = excluded.url, ttl_ms = excluded.ttl_ms, revision = excluded.revision, beaten_at = excluded.beaten_at,
        until = excluded.until, is_removed = false
  RETURNING ${COLUMNS}`;

/** Takes out $2, or with null all of the component: marked, so that other nodes hear of it. */
export const REMOVE = `
  UPDATE tercet.instance SET is_removed = true, until = now(), revision = nextval('tercet.instance_revision')
   WHERE component = $1 AND ($2::text IS NULL OR instance = $2) AND NOT is_removed AND until > now() - ${KEPT}
  RETURNING ${COLUMNS}`;

const NEWS = `
  SELECT ${COLUMNS} FROM tercet.instance WHERE revision > $1
   UNION ALL
  SELECT ${COLUMNS} FROM unnest($2::text[], $3::text[]) AS due (component, instance)
    JOIN tercet.instance USING (component, instance)`;

export class PostgresInstances {
  private readonly known = new Map<string, Map<string, Known>>();
  /** What `known` says, as the callers take it. */
  private readonly lists = new Map<string, readonly Instance[]>();
  private revision = 0n;
  /** Monotonic, ms: when the answer was asked for that came last. */
  private followedAt = performance.now();

  /** @param oneAtATime statement under which revisions become visible in their order */
  constructor(
    private readonly database: Database,
    private readonly oneAtATime: string,
  ) {}

  /** Those of the component as known here, some perhaps past their lease. */
  of(component: string): readonly Instance[] {
    return this.lists.get(component) ?? [];
  }

  /** A heartbeat, which is the registration too. Null: no such component is registered. */
  async beat(
    component: string,
    name: string,
    url: string,
    ttlMs: number,
  ): Promise<{ created: boolean; instance: StoredInstance } | null> {
    const values = [component, name, url, ttlMs];
    const askedAt = performance.now();
    const [beaten] = await this.database.write<Row>({ name: 'beat', text: BEAT, values }, 'beat');
    if (beaten) return { created: false, instance: storedOf(beaten) };
    const put = await this.database.inTransaction(async (client) => {
      await this.lock(client);
      const registered = await client.query(`SELECT FROM tercet.component WHERE name = $1 AND deleted_at IS NULL`, [
        component,
      ]);
      if (registered.rows.length === 0) return null;
      await client.query(`DELETE FROM tercet.instance WHERE until < now() - ${KEPT}`);
      const there = await client.query(
        'SELECT FROM tercet.instance WHERE component = $1 AND instance = $2 AND NOT is_removed',
        [component, name],
      );
      const { rows } = await client.query<Row>(PUT, values);
      return { row: rows[0], created: there.rows.length === 0 };
    }, 'beat');
    if (!put) return null;
    if (!put.row) throw new LogUnavailable(`instance '${name}' of '${component}' was not stored`);
    this.note([put.row], askedAt);
    return { created: put.created, instance: storedOf(put.row) };
  }

  /** It signs off. False: there is no such instance. */
  async remove(component: string, name: string): Promise<boolean> {
    const askedAt = performance.now();
    const rows = await this.database.inTransaction(async (client) => {
      await this.lock(client);
      return (await client.query<Row>(REMOVE, [component, name])).rows;
    }, 'beat');
    this.note(rows, askedAt);
    return rows.length > 0;
  }

  /** Of one component, or of all, by name: those that are alive, and those that were within the last hour. */
  async view(component: string | null): Promise<Map<string, StoredInstance[]>> {
    const rows = await this.database.read<Row>(
      `SELECT ${COLUMNS} FROM tercet.instance
        WHERE ($1::text IS NULL OR component = $1) AND NOT is_removed AND until > now() - ${KEPT}
        ORDER BY component, instance`,
      [component],
    );
    const byComponent = new Map<string, StoredInstance[]>();
    for (const row of rows) {
      const list = byComponent.get(row.component);
      if (list) list.push(storedOf(row));
      else byComponent.set(row.component, [storedOf(row)]);
    }
    return byComponent;
  }

  /** Asks for the news, and for those whose lease is half over as far as is known here. @param newest revision of any */
  async follow(newest: bigint | null): Promise<void> {
    const askedAt = performance.now();
    const due = [...this.known].flatMap(([component, instances]) =>
      [...instances.values()]
        .filter(({ aliveUntil, ttlMs }) => aliveUntil - askedAt < ttlMs / 2)
        .map(({ name }) => ({ component, name })),
    );
    const names = due.map(({ name }) => name);
    if (newest !== null && newest <= this.revision && due.length === 0) {
      this.followedAt = askedAt;
      return;
    }
    const rows = await this.database.read<Row>(NEWS, [this.revision, due.map(({ component }) => component), names]);
    // Nobody could beat while the database was away: leases stood still.
    const awayMs = askedAt - this.followedAt;
    const found = new Set(rows.map(({ component, instance }) => `${component} ${instance}`));
    for (const { component, name } of due) if (!found.has(`${component} ${name}`)) this.drop(component, name);
    this.note(rows, awayMs > OUTAGE_MS ? askedAt + awayMs : askedAt);
    this.followedAt = askedAt;
    for (const { revision } of rows) if (BigInt(revision) > this.revision) this.revision = BigInt(revision);
  }

  /** @param from monotonic, ms: what is left of the leases counts from there */
  private note(rows: readonly Row[], from: number): void {
    const now = performance.now();
    for (const { component, instance: name, url, ttl_ms: ttlMs, is_removed: isRemoved, left_ms: leftMs } of rows) {
      const aliveUntil = from + leftMs;
      const isOver = leftMs <= 0 && aliveUntil <= now;
      const instances = this.known.get(component) ?? new Map<string, Known>();
      // Beats are no news: who is not known here is not asked for, so one that may still beat in time stays known.
      if (isRemoved || (isOver && leftMs <= -ttlMs && instances.get(name)?.isOver)) {
        this.drop(component, name);
        continue;
      }
      instances.set(name, { name, url: url.replace(/\/+$/, ''), aliveUntil, ttlMs, isOver });
      this.known.set(component, instances);
      this.lists.delete(component);
    }
    this.list();
  }

  private drop(component: string, name: string): void {
    const instances = this.known.get(component);
    if (!instances?.delete(name)) return;
    if (instances.size === 0) this.known.delete(component);
    this.lists.delete(component);
  }

  private list(): void {
    for (const [component, instances] of this.known) {
      if (!this.lists.has(component)) this.lists.set(component, [...instances.values()]);
    }
  }

  private async lock(client: pg.PoolClient): Promise<void> {
    // A lost beat is no loss, but a revision must not come twice.
    await client.query('SET LOCAL synchronous_commit = on');
    await client.query(this.oneAtATime);
  }
}

function storedOf({ instance, url, ttl_ms: ttlMs, beaten_at: beatenAt, until, left_ms: leftMs }: Row): StoredInstance {
  const lastBeatAt = beatenAt.toISOString();
  return { instance, url, ttlMs, lastBeatAt, aliveUntil: until.toISOString(), isAlive: leftMs > 0 };
}
