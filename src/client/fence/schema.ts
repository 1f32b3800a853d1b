/** The two tables of the fence, for the service's own database; docs/fence.md explains them. */
import type { Executor } from '../../platform/executor.js';
import { install } from '../../platform/install.js';

export const FENCE_SCHEMA = `
CREATE TABLE tercet_fence (
  gid        varchar(128) COLLATE "C" NOT NULL,
  branch_id  varchar(128) COLLATE "C" NOT NULL,
  -- The last operation that took effect: try, confirm, cancel (action, compensate), deliver; of a message local, check.
  op         varchar(16)    NOT NULL,
  -- done, or pending or refused: what became of work that outlives its call.
  state      varchar(16)    NOT NULL DEFAULT 'done',
  -- Null: a cancel came, and there had been no try; or a check.
  tried_at   timestamptz(3),
  ended_at   timestamptz(3),
  -- What the try answered, and what the confirm or cancel answered.
  reply      json,
  end_reply  json,
  began_at   timestamptz(3) NOT NULL,
  PRIMARY KEY (gid, branch_id)
  -- Room beside each row for its one later version.
) WITH (fillfactor = 60);

CREATE INDEX tercet_fence_began_at ON tercet_fence (began_at);

-- One row: transactions that began before this may have been purged.
CREATE TABLE tercet_fence_horizon (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  horizon  timestamptz(3) NOT NULL
);

INSERT INTO tercet_fence_horizon (horizon) VALUES ('-infinity');
`;

const INSTALL_LOCK = 8372_001;

/**
 * Creates the tables unless they are there, in the first schema of the search path; for services that do not
 * use TypeORM's migrations. Call it with one connection (not a pool), outside a transaction.
 */
export async function installFence(executor: Executor): Promise<void> {
  await install(executor, { lock: INSTALL_LOCK, table: 'tercet_fence', schema: FENCE_SCHEMA });
}

/** For the `migrations` of a TypeORM DataSource. */
export class TercetFence1763683200000 {
  readonly name = 'TercetFence1763683200000';

  async up(runner: Executor): Promise<void> {
    await runner.query(FENCE_SCHEMA);
  }

  async down(runner: Executor): Promise<void> {
    await runner.query('DROP TABLE tercet_fence, tercet_fence_horizon');
  }
}
