import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Messages on their way to Kafka: written with the decision, deleted by who sent them. Rows come and go, so vacuum does
 * not wait for a fifth of the table to be dead, and does not cut it shorter, which would lock out everybody.
 *
 * A bucket has one relay at a time, which says in outbox_lease until when. Messages of one key are in one bucket.
 */
export class Outbox0000000000006 implements MigrationInterface {
  readonly name = 'Outbox0000000000006';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE tercet.outbox (
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

      CREATE TABLE tercet.outbox_lease (
        bucket smallint PRIMARY KEY,
        owner  text,
        epoch  bigint NOT NULL DEFAULT 0,
        until  timestamptz(3)
      );
      INSERT INTO tercet.outbox_lease (bucket) SELECT generate_series(0, 63);

      CREATE TABLE tercet.outbox_relay (
        id    text PRIMARY KEY,
        until timestamptz(3) NOT NULL
      );

      CREATE TABLE tercet.outbox_dead (
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
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE tercet.outbox, tercet.outbox_lease, tercet.outbox_relay, tercet.outbox_dead');
  }
}
