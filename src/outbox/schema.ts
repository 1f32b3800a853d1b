/** The four tables of an outbox: those of the coordinator are made by its migrations, those of a service by this. */
import type { Executor } from '../platform/executor.js';
import { install, plainName } from '../platform/install.js';
import { BUCKETS } from './message.js';

/** Of the tables in a service's own database. */
export const OUTBOX_PREFIX = 'tercet_outbox';

/** Names as they stand in statements. */
export interface OutboxTables {
  readonly messages: string;
  /** One row for each bucket: which relay has it, and until when. */
  readonly lease: string;
  /** The relays that live. */
  readonly relay: string;
  /** What the broker refused, where that is skipped. */
  readonly dead: string;
}

/** @throws RangeError unless the prefix is a plain name in lower case, with its schema or without */
export function tablesOf(prefix: string): OutboxTables {
  return { messages: plainName(prefix), lease: `${prefix}_lease`, relay: `${prefix}_relay`, dead: `${prefix}_dead` };
}

export const OUTBOX_SCHEMA = `
-- Rows come and go: vacuum does not wait for a fifth of the table to be dead, and does not cut it shorter, which would
-- lock out everybody.
CREATE TABLE tercet_outbox (
  bucket     smallint NOT NULL,
  id         bigint GENERATED ALWAYS AS IDENTITY,
  message_id text NOT NULL,
  topic      text NOT NULL,
  key        text,
  payload    text NOT NULL,
  headers    text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (bucket, id)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = false);

CREATE TABLE tercet_outbox_lease (
  bucket smallint PRIMARY KEY,
  owner  text,
  -- Raised whenever the bucket changes hands.
  epoch  bigint NOT NULL DEFAULT 0,
  until  timestamptz(3)
);

INSERT INTO tercet_outbox_lease (bucket) SELECT generate_series(0, ${BUCKETS - 1});

CREATE TABLE tercet_outbox_relay (
  id    text PRIMARY KEY,
  until timestamptz(3) NOT NULL
);

CREATE TABLE tercet_outbox_dead (
  bucket     smallint NOT NULL,
  id         bigint PRIMARY KEY,
  message_id text NOT NULL,
  topic      text NOT NULL,
  key        text,
  payload    text NOT NULL,
  headers    text NOT NULL,
  created_at timestamptz(3) NOT NULL,
  error      text NOT NULL,
  failed_at  timestamptz(3) NOT NULL DEFAULT now()
);
`;

const INSTALL_LOCK = 8372_002;

/**
 * Creates the tables unless they are there, in the first schema of the search path; for services that do not
 * use TypeORM's migrations. Call it with one connection (not a pool), outside a transaction.
 */
export async function installOutbox(executor: Executor): Promise<void> {
  await install(executor, { lock: INSTALL_LOCK, table: OUTBOX_PREFIX, schema: OUTBOX_SCHEMA });
}

/** For the `migrations` of a TypeORM DataSource. */
export class TercetOutbox1763683200001 {
  readonly name = 'TercetOutbox1763683200001';

  async up(runner: Executor): Promise<void> {
    await runner.query(OUTBOX_SCHEMA);
  }

  async down(runner: Executor): Promise<void> {
    const { messages, lease, relay, dead } = tablesOf(OUTBOX_PREFIX);
    await runner.query(`DROP TABLE ${messages}, ${lease}, ${relay}, ${dead}`);
  }
}
