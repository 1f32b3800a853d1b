/** The tables of ids: those of the coordinator are made by its migrations, those of a service by this. */
import type { Executor } from '../platform/executor.js';
import { install } from '../platform/install.js';

/** Names as they stand in statements. */
export interface IdTables {
  readonly segment: string;
  readonly sequence: string;
  /** The 1024 worker ids, each with the time up to which somebody may have used it. */
  readonly worker: string;
  /** Who has which: `id`, `dead`, `worker_id`. */
  readonly member: string;
}

/** In a service's own database, in the first schema of the search path. */
export const SERVICE_TABLES: IdTables = {
  segment: 'tercet_id_segment',
  sequence: 'tercet_id_sequence',
  worker: 'tercet_id_worker',
  member: 'tercet_id_member',
};

export const IDS_SCHEMA = `
CREATE TABLE tercet_id_segment (
  name text COLLATE "C" PRIMARY KEY,
  -- The first number that nobody has bought.
  next bigint NOT NULL
);

CREATE SEQUENCE tercet_id_sequence;

CREATE TABLE tercet_id_worker (
  id         smallint PRIMARY KEY,
  -- In ms since 1970: somebody may have used the worker id up to then, nobody beyond.
  used_until bigint NOT NULL DEFAULT 0
);
INSERT INTO tercet_id_worker (id) SELECT generate_series(0, 1023);

CREATE TABLE tercet_id_member (
  id        text COLLATE "C" PRIMARY KEY,
  until     timestamptz(3) NOT NULL,
  dead      boolean NOT NULL DEFAULT false,
  worker_id smallint
);
CREATE UNIQUE INDEX tercet_id_member_worker_key ON tercet_id_member (worker_id) WHERE NOT dead;
`;

const INSTALL_LOCK = 8372_004;

/**
 * Creates the tables unless they are there, in the first schema of the search path; for services that do not
 * use TypeORM's migrations. Call it with one connection (not a pool), outside a transaction.
 */
export async function installIds(executor: Executor): Promise<void> {
  await install(executor, { lock: INSTALL_LOCK, table: SERVICE_TABLES.segment, schema: IDS_SCHEMA });
}

/** For the `migrations` of a TypeORM DataSource. */
export class TercetIds1763683200004 {
  readonly name = 'TercetIds1763683200004';

  async up(runner: Executor): Promise<void> {
    await runner.query(IDS_SCHEMA);
  }

  async down(runner: Executor): Promise<void> {
    const { segment, sequence, worker, member } = SERVICE_TABLES;
    await runner.query(`DROP TABLE ${segment}, ${worker}, ${member}; DROP SEQUENCE ${sequence}`);
  }
}
