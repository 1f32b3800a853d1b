/** The two tables of the inbox, for the consumer's own database. */
import type { Executor } from '../../platform/executor.js';
import { install } from '../../platform/install.js';

export const INBOX_SCHEMA = `
-- What took effect here. A row stands in the transaction of the effect itself.
CREATE TABLE tercet_inbox (
  consumer     text COLLATE "C" NOT NULL,
  message_id   text COLLATE "C" NOT NULL,
  processed_at timestamptz(3)   NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, message_id)
);

CREATE INDEX tercet_inbox_processed_at ON tercet_inbox (processed_at);

-- What did not, yet: few rows. A row goes with the transaction in which its message takes effect after all.
CREATE TABLE tercet_inbox_failed (
  consumer        text COLLATE "C" NOT NULL,
  message_id      text COLLATE "C" NOT NULL,
  topic           text COLLATE "C" NOT NULL,
  partition       integer          NOT NULL,
  "offset"        bigint           NOT NULL,
  key             bytea,
  attempts        integer          NOT NULL,
  error           text             NOT NULL,
  first_failed_at timestamptz(3)   NOT NULL DEFAULT now(),
  failed_at       timestamptz(3)   NOT NULL DEFAULT now(),
  -- It is on its way to the dead-letter topic, or there.
  is_dead         boolean          NOT NULL DEFAULT false,
  -- It is, and later messages of its key follow it there.
  is_parking      boolean          NOT NULL DEFAULT false,
  PRIMARY KEY (consumer, message_id)
);

CREATE INDEX tercet_inbox_failed_parking ON tercet_inbox_failed (consumer, topic, key) WHERE is_parking;
`;

const INSTALL_LOCK = 8372_003;

/**
 * Creates the tables unless they are there, in the first schema of the search path; for services that do not
 * use TypeORM's migrations. Call it with one connection (not a pool), outside a transaction.
 */
export async function installInbox(executor: Executor): Promise<void> {
  await install(executor, { lock: INSTALL_LOCK, table: 'tercet_inbox', schema: INBOX_SCHEMA });
}

/** For the `migrations` of a TypeORM DataSource. */
export class TercetInbox1763769600000 {
  readonly name = 'TercetInbox1763769600000';

  async up(runner: Executor): Promise<void> {
    await runner.query(INBOX_SCHEMA);
  }

  async down(runner: Executor): Promise<void> {
    await runner.query('DROP TABLE tercet_inbox, tercet_inbox_failed');
  }
}
