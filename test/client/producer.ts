/** A service that sends messages from a database of its own, asked and told over HTTP by a real coordinator. */
import pg from 'pg';
import { DataSource } from 'typeorm';
import { installFence, Messages, TercetClient, TercetError } from '../../src/client/index.js';
import type { Executor, MessagesOptions, ParticipantCall } from '../../src/client/index.js';
import { TestNode } from '../http/node.js';
import { json, raw } from '../participants/service.js';
import { createDatabase } from '../support/postgres.js';
import { Proxy } from '../support/proxy.js';

export const KINDS = ['TypeORM', 'pg'] as const;

export class Producer {
  readonly client: TercetClient;
  readonly messages: Messages;
  /** Every check and delivery, and what it was answered. */
  readonly told: { op: string; gid: string; status: number }[] = [];

  private constructor(
    node: TestNode,
    readonly options: MessagesOptions<Executor>,
    /** For looking on, and for checks: not by way of the proxy. */
    readonly pool: pg.Pool,
    /** Between `messages` and its database. */
    readonly proxy: Proxy,
    private readonly ends: (() => Promise<unknown>)[],
  ) {
    this.client = new TercetClient({ url: node.url, retry: { attempts: 2, baseMs: 1 } });
    this.messages = new Messages(this.client, options);
    const checking = new Messages(this.client, { component: 'order', pool });
    node.participant.answer = (response, asked) => {
      const { op, gid } = asked.call;
      void answerTo(checking, asked.call).then(({ status, body }) => {
        this.told.push({ op, gid, status });
        (body === null ? raw('', status) : json(body, status))(response, asked);
      });
    };
  }

  static async start(kind: (typeof KINDS)[number]): Promise<Producer> {
    const { url, drop } = await createDatabase();
    const proxy = await Proxy.start(url);
    const pool = new pg.Pool({ connectionString: url }).on('error', () => undefined);
    const installer = await pool.connect();
    await installFence(installer);
    await installer.query('CREATE TABLE purchase (gid text NOT NULL, UNIQUE (gid) DEFERRABLE INITIALLY DEFERRED)');
    installer.release();
    const node = await TestNode.start();
    const { database, end } = await databaseOf(kind, proxy.url);
    const options = { component: 'order', ...database };
    const ends = [() => node.stop(), end, () => proxy.stop(), () => pool.end(), drop];
    const producer = new Producer(node, options, pool, proxy, ends);
    await node.component('order', { check: { afterMs: 100, intervalMs: 100 } });
    await node.component('mail');
    return producer;
  }

  async stop(): Promise<void> {
    for (const end of this.ends) await end();
  }

  /** What the local transactions of a message left. */
  async purchases(gid: string): Promise<number> {
    const { rows } = await this.pool.query('SELECT FROM purchase WHERE gid = $1', [gid]);
    return rows.length;
  }

  /** How often it was delivered. */
  delivered(gid: string): number {
    return this.told.filter((one) => one.gid === gid && one.op === 'deliver').length;
  }

  /** The statuses that its checks were answered with. */
  checked(gid: string): number[] {
    return this.told.filter((one) => one.gid === gid && one.op === 'check').map(({ status }) => status);
  }
}

async function databaseOf(kind: (typeof KINDS)[number], url: string) {
  if (kind === 'pg') {
    const pool = new pg.Pool({ connectionString: url }).on('error', () => undefined);
    return { database: { pool }, end: () => pool.end() };
  }
  const dataSource = await new DataSource({ type: 'postgres', url }).initialize();
  return { database: { dataSource }, end: () => dataSource.destroy() };
}

async function answerTo(messages: Messages, call: ParticipantCall): Promise<{ status: number; body: object | null }> {
  if (call.op !== 'check') return { status: 200, body: null };
  try {
    const answer = await messages.check(call);
    return answer.kind === 'committed' ? { status: 200, body: null } : { status: 409, body: { reason: answer.reason } };
  } catch (error) {
    return { status: error instanceof TercetError ? error.status : 500, body: null };
  }
}
