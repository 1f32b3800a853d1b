/** A configuration center for tests: the calls of a service as docs/wire.md has them, over HTTP, and what it is told. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checksumOf } from '../../src/config/canonical.js';
import type { ConfigContent, ConfigReport, ValuesView } from '../../src/protocol/config.js';

export interface Told extends ConfigReport {
  readonly instance: string;
}
type Namespaces = ValuesView['namespaces'];

export class FakeCenter {
  readonly told: Told[] = [];
  /** Answers with contents, and stamps without. */
  readonly given = { whole: 0, stamps: 0, same: 0 };
  /** Whether it knows `Prefer: return=minimal`. */
  knowsMinimal = true;
  /** Instead of an answer. */
  fault: ((response: ServerResponse) => void) | null = null;
  /** Makes of what it would answer with contents something else. */
  twist: (values: ValuesView) => unknown = (values) => values;
  /** Whom the last release is for. */
  selects: (instance: string) => boolean = () => true;
  private revision = 0;
  private namespaces: Namespaces | null = null;
  private before: Namespaces = {};
  private release = 0;
  private readonly waiting = new Set<() => void>();

  private constructor(private server: Server) {}

  static async start(): Promise<FakeCenter> {
    const server = createServer();
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const center = new FakeCenter(server);
    center.serve();
    return center;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  port = 0;

  /** One release of all of these. */
  publish(contents: Record<string, ConfigContent>, revision = this.revision + 1): void {
    this.release += 1;
    this.before = this.namespaces ?? {};
    const changed = Object.entries(contents).map(([name, content]) => [name, { release: this.release, content }]);
    this.namespaces = { ...this.namespaces, ...(Object.fromEntries(changed) as Namespaces) };
    this.revision = revision;
    this.wake();
  }

  /** What a gray release is when it was aborted. */
  takeBack(): void {
    this.namespaces = this.before;
    this.revision += 1;
    this.wake();
  }

  /** How many wait for the next release. */
  get asking(): number {
    return this.waiting.size;
  }

  wake(): void {
    for (const look of this.waiting) look();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
    this.waiting.clear();
  }

  /** After a stop, at the same address. */
  async restart(): Promise<void> {
    this.server = createServer();
    await new Promise<void>((ready) => this.server.listen(this.port, '127.0.0.1', ready));
    this.serve();
  }

  private serve(): void {
    this.port = (this.server.address() as AddressInfo).port;
    this.server.on('request', (request, response) => void this.take(request, response).catch(() => response.destroy()));
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    if (this.fault) return this.fault(response);
    const url = new URL(request.url ?? '', this.url);
    const [, , , environment = '', room, instance = ''] = url.pathname.split('/');
    if (request.method === 'PUT' && room === 'nodes') {
      const report = JSON.parse(Buffer.concat(chunks).toString()) as ConfigReport;
      this.told.push({ instance: decodeURIComponent(instance), ...report });
      return void response.writeHead(204).end();
    }
    if (this.namespaces === null) return void problem(response, 404, 'TERCET_CONFIG_UNKNOWN');
    await this.answer(environment, url.searchParams, request, response);
  }

  private async answer(
    environment: string,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const until = performance.now() + Number(query.get('waitMs') ?? 0);
    for (;;) {
      const values = this.valuesFor(environment, query);
      if (values.checksum !== query.get('have')) {
        const { namespaces: _contents, ...stamp } = values;
        if (this.knowsMinimal && request.headers.prefer === 'return=minimal') {
          this.given.stamps += 1;
          return send(response, 200, stamp);
        }
        this.given.whole += 1;
        return send(response, 200, this.twist(values));
      }
      const leftMs = until - performance.now();
      if (leftMs <= 0 || response.destroyed) break;
      await new Promise<void>((resolve) => {
        const look = (): void => {
          clearTimeout(timer);
          this.waiting.delete(look);
          resolve();
        };
        const timer = setTimeout(look, leftMs);
        this.waiting.add(look);
        response.once('close', look);
      });
    }
    this.given.same += 1;
    response.writeHead(204).end();
  }

  private valuesFor(environment: string, query: URLSearchParams): ValuesView {
    const all = (this.selects(query.get('instance') ?? '') ? this.namespaces : this.before) ?? {};
    const asked = (query.get('namespaces') ?? '').split(',');
    const namespaces = Object.fromEntries(Object.entries(all).filter(([name]) => asked.includes(name)));
    return { environment, revision: this.revision, checksum: checksumOf(namespaces), namespaces };
  }
}

export function problem(response: ServerResponse, status: number, code: string): void {
  send(response, status, { type: `urn:tercet:${code}`, title: 'Title', status, detail: `it says ${code}`, code });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
