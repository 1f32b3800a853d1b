import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Locks, each a lease with a fencing token, and who was parted from one by force. A row is there for every name that
 * was asked for lately; it is held until `until`. Why the token is unique, and drawn one by one: src/locks/schema.ts.
 */
export class Locks0000000000007 implements MigrationInterface {
  readonly name = 'Locks0000000000007';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE SEQUENCE tercet.lock_token CACHE 1;

      CREATE TABLE tercet.lock (
        name  text COLLATE "C" PRIMARY KEY,
        token bigint NOT NULL UNIQUE,
        owner text NOT NULL,
        node  text NOT NULL,
        since timestamptz(3) NOT NULL,
        until timestamptz(3) NOT NULL
      ) WITH (autovacuum_vacuum_cost_delay = 0, vacuum_truncate = false);

      CREATE TABLE tercet.lock_release (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name        text COLLATE "C" NOT NULL,
        token       bigint NOT NULL,
        node        text NOT NULL,
        since       timestamptz(3) NOT NULL,
        released_at timestamptz(3) NOT NULL DEFAULT now(),
        released_by text NOT NULL,
        reason      text NOT NULL
      );
      CREATE INDEX lock_release_name ON tercet.lock_release (name, id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE tercet.lock, tercet.lock_release; DROP SEQUENCE tercet.lock_token');
  }
}
