/** A participant for tests: a real HTTP server that answers as the test says and remembers what it was asked. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createSecureServer, Server as SecureServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ParticipantCall } from '../../src/protocol/words.js';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** As it came in. */
  readonly text: string;
  readonly call: ParticipantCall;
}

/** Ends the response, now or later. */
export type Answer = (response: ServerResponse, asked: Asked) => void;

export class Service {
  readonly asked: Asked[] = [];
  private readonly waiting: { count: number; resolve: () => void }[] = [];

  readonly port: number;

  private constructor(
    private readonly server: Server,
    /** How it answers from now on. */
    public answer: Answer,
  ) {
    this.port = (server.address() as AddressInfo).port;
  }

  /** On a free port of loopback; answers `{}` to everything unless told otherwise. @param tls makes it speak HTTPS */
  static async start(answer: Answer = json({}), host = '127.0.0.1', tls?: ServerOptions): Promise<Service> {
    const server = tls ? createSecureServer(tls) : createServer();
    await new Promise<void>((ready, fail) => {
      server.once('error', fail);
      server.listen(0, host, ready);
    });
    const service = new Service(server, answer);
    server.on('request', (request, response) => void service.take(request, response));
    return service;
  }

  get url(): string {
    return `${this.server instanceof SecureServer ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  /** Resolves once it was asked `count` times in all. */
  async wasAsked(count: number): Promise<void> {
    if (this.asked.length < count) await new Promise<void>((resolve) => this.waiting.push({ count, resolve }));
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const text = Buffer.concat(chunks).toString();
    const { method = '', url: path = '', headers } = request;
    const asked = { method, path, headers, text, call: JSON.parse(text || 'null') as ParticipantCall };
    this.asked.push(asked);
    this.answer(response, asked);
    for (const { count, resolve } of this.waiting) if (this.asked.length >= count) resolve();
  }
}

/** Answers with JSON. */
export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return raw(JSON.stringify(value), status, { 'content-type': 'application/json', ...headers });
}

/** Answers with these bytes. */
export function raw(body: string | Uint8Array, status = 200, headers: Record<string, string> = {}): Answer {
  return (response) => void response.writeHead(status, headers).end(body);
}
