/** A coordinator in this process, on a database of its own, with a participant: for tests of the HTTP contract. */
import pg from 'pg';
import { startNode } from '../../src/main.js';
import type { RunningNode } from '../../src/main.js';
import type { Op, Problem, TransactionView } from '../../src/protocol/words.js';
import { readSettings } from '../../src/settings.js';
import { json, Service } from '../participants/service.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';

/** A thread would need what is built (test/e2e has it). */
export const HERE = { TERCET_LISTEN: '127.0.0.1:0', TERCET_CALL_THREAD: 'off' };
const logger = { info() {}, warn() {}, error() {} };

export interface Reply<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export class TestNode {
  private constructor(
    private readonly node: RunningNode,
    private readonly database: TestDatabase,
    private readonly admin: pg.Client,
    readonly participant: Service,
  ) {}

  /** @param road leads to the database: its own URL, or that of something in between; @param warned is told each warning */
  static async start(
    env: Record<string, string> = {},
    road: (url: string) => Promise<string> = (url) => Promise.resolve(url),
    warned: (fields: object) => void = () => undefined,
  ): Promise<TestNode> {
    const database = await createDatabase();
    const url = await road(database.url);
    const settings = readSettings({ DATABASE_URL: url, ...HERE, ...env });
    const node = await startNode(settings, { ...logger, warn: warned });
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    return new TestNode(node, database, admin, await Service.start());
  }

  /** Another coordinator on the same database, for the same participant; to be drained before this one is stopped. */
  async beside(env: Record<string, string> = {}): Promise<TestNode> {
    const settings = readSettings({ DATABASE_URL: this.database.url, ...HERE, ...env });
    return new TestNode(await startNode(settings, logger), this.database, this.admin, this.participant);
  }

  get url(): string {
    return this.node.url;
  }

  get databaseUrl(): string {
    return this.database.url;
  }

  /** Drains it, as SIGTERM does. */
  drain(): Promise<void> {
    return this.node.stop();
  }

  /** Ends everything; a node that was drained already is gone. */
  async stop({ drained = false } = {}): Promise<void> {
    if (!drained) await this.drain();
    await this.participant.stop();
    await this.admin.end();
    await this.database.drop();
  }

  /** @param body JSON text or bytes go out as they are, other values as JSON */
  async send<T = Problem>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Reply<T>> {
    const response = await fetch(this.url + path, {
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: bytesOf(body) }),
    });
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    const answered: unknown = isJson && text ? JSON.parse(text) : text || null;
    return { status: response.status, headers: response.headers, body: answered as T };
  }

  get = <T = TransactionView>(path: string): Promise<Reply<T>> => this.send<T>('GET', path);
  post = <T = TransactionView>(path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply<T>> =>
    this.send<T>('POST', path, body, headers);
  put = <T = unknown>(path: string, body?: unknown): Promise<Reply<T>> => this.send<T>('PUT', path, body);

  /** Registers a component whose operations are all those of the participant. */
  async component(name: string, over: object = {}): Promise<void> {
    const { status } = await this.put(`/v1/components/${name}`, { url: `${this.participant.url}/${name}`, ...over });
    if (status !== 201 && status !== 200) throw new Error(`component ${name} was not registered: ${status}`);
  }

  /** The participant answers the operation `op` only when the returned function is called, all others at once. */
  hold(op: Op): () => void {
    const held: (() => void)[] = [];
    const answer = json({ held: 300 });
    this.participant.answer = (response, asked) => {
      if (asked.call.op === op) held.push(() => answer(response, asked));
      else answer(response, asked);
    };
    return () => {
      this.participant.answer = answer;
      for (const go of held) go();
    };
  }

  /** Somebody else holds the row of this transaction until the returned function is called. */
  async lock(gid: string): Promise<() => Promise<void>> {
    const holder = new pg.Client({ connectionString: this.database.url });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM tercet.transaction WHERE gid = $1 FOR UPDATE', [gid]);
    return () => holder.end();
  }

  /** On the database of the log. */
  async sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.admin.query<Row>(text, values)).rows;
  }

  /** Everything that is recorded, but for leases and what nodes report of themselves: equal before and after a request that changed nothing. */
  async recorded(): Promise<Record<string, unknown>> {
    const tables: Record<string, unknown> = {};
    const ofConfig = ['config_environment', 'config_namespace', 'config_release', 'config_report', 'config_audit'];
    for (const table of ['transaction', 'branch', 'timeline', 'component', 'instance', ...ofConfig]) {
      const { rows } = await this.admin.query<{ row: string }>(
        `SELECT row_to_json(t)::text AS row FROM tercet.${table} t
          WHERE ${table === 'config_report' ? `environment <> 'tercet'` : 'true'} ORDER BY 1`,
      );
      tables[table] = rows.map(({ row }) => row);
    }
    return tables;
  }
}

export function begin(over: object = {}): object {
  return { mode: 'tcc', branches: [{ branchId: 'a', component: 'account', payload: { amount: 300 } }], ...over };
}

function bytesOf(body: unknown): string | Uint8Array<ArrayBuffer> {
  if (body instanceof Uint8Array) return new Uint8Array(body);
  return typeof body === 'string' ? body : JSON.stringify(body);
}
