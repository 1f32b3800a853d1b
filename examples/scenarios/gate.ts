/**
 * The network between the coordinators and the services, as far as a scenario wants to touch it: it passes everything on,
 * and lets the scenario hold a call, lose it, or act before or after it. Of Tercet it knows the headers and the path of a
 * call.
 */
import { createServer, request } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenCall {
  /** Whose process is called. */
  readonly service: string;
  readonly component: string;
  readonly branchId: string;
  readonly op: string;
  readonly gid: string;
  readonly attempt: number;
  /** Behind the name of the service. */
  readonly path: string;
}

interface Passed {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Stands between: `pass` hands the call on and resolves with its answer. Rejecting cuts the connection. */
export type Watcher = (call: SeenCall, pass: () => Promise<Passed>) => Promise<Passed>;

/** Passes every call on. */
export const open: Watcher = (_call, pass) => pass();

export class Gate {
  private readonly server: Server;
  private readonly targets = new Map<string, () => string>();
  watcher = open;

  constructor() {
    this.server = createServer((incoming, answer) => {
      this.pass(incoming, answer).catch(() => answer.destroy());
    });
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Where the others are told to find it; `target` says where it is now. */
  urlFor(name: string, target: () => string): string {
    this.targets.set(name, target);
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/${name}`;
  }

  private async pass(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const [, name = '', ...rest] = (incoming.url ?? '').split('/');
    const target = this.targets.get(name);
    if (!target) throw new Error(`nothing is behind ${incoming.url}`);
    const header = (key: string): string => String(incoming.headers[key] ?? '');
    const call = {
      service: name,
      component: /^tercet\/([^/]+)/.exec(rest.join('/'))?.[1] ?? '',
      branchId: header('tercet-branch'),
      op: header('tercet-op'),
      gid: header('tercet-gid'),
      attempt: Number(header('tercet-attempt')),
      path: `/${rest.join('/')}`,
    };
    const send = (): Promise<Passed> => this.send(`${target()}/${rest.join('/')}`, incoming, Buffer.concat(chunks));
    const { status, headers, body } = await this.watcher(call, send);
    answer.writeHead(status, headers).end(body);
  }

  private send(url: string, { method, headers }: IncomingMessage, body: Buffer): Promise<Passed> {
    return new Promise<Passed>((resolve, reject) => {
      const { host: _gate, connection: _hop, ...kept } = headers;
      const outgoing = request(url, { ...(method ? { method } : {}), headers: kept }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          const { connection: _closing, 'transfer-encoding': _chunked, ...rest } = answer.headers;
          resolve({ status: answer.statusCode ?? 502, headers: rest, body: Buffer.concat(chunks) });
        });
        answer.on('error', reject);
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}
