/** Sends a request and reads what comes back. */
import { Agent, request as send } from 'node:http';
import { connect } from 'node:net';
import type { Request } from './requests.js';

export interface Answer {
  readonly status: number;
  /** Without parameters. */
  readonly type: string;
  readonly body: string;
}

/** As nothing is told to wait for long, what has no answer by then gets none. */
const ANSWER_MS = 60_000;
/** Bytes that look like the start of a request are not cut off before this. */
const QUIET_MS = 100;
const LEAVE_MS = 5;

export class Exchange {
  private readonly agent = new Agent({ keepAlive: true });
  private readonly target: URL;

  constructor(url: string) {
    this.target = new URL(url);
  }

  /** @returns null where the asker did not wait, or nothing that was sent was a request @throws where no answer comes */
  async send(request: Request): Promise<Answer | null> {
    if (request.bytes) return this.raw(request.bytes);
    const { method, path, headers, body, way } = request;
    const named = headers.map(([name]) => name);
    const all: [string, string][] = headers.map(([name, value]) => [name, value]);
    if (body) all.push(['content-length', String(body.length)]);
    if (!named.includes('host')) all.push(['host', this.target.host]);
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.target;
      const options = { hostname, port, method, path, agent: this.agent, headers: all.flat(), setHost: false };
      const asked = send(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const type = response.headers['content-type']?.split(';')[0] ?? '';
          resolve({ status: response.statusCode ?? 0, type, body: Buffer.concat(chunks).toString() });
        });
      });
      asked.setTimeout(ANSWER_MS, () => asked.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
      asked.on('error', (error) => (way === 'leave' ? resolve(null) : reject(error)));
      asked.end(body ?? undefined);
      if (way === 'leave') setTimeout(() => asked.destroy(new Error('left')), LEAVE_MS);
    });
  }

  close(): void {
    this.agent.destroy();
  }

  private raw(bytes: Buffer): Promise<Answer | null> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(this.target.port), this.target.hostname);
      let text = '';
      socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`not closed within ${ANSWER_MS} ms`)));
      socket.on('data', (chunk) => (text += chunk.toString('latin1')));
      // What follows a refusal may find the connection reset.
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
      });
      socket.on('close', () => {
        const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(text) ?? [];
        resolve(status === undefined ? null : { status: Number(status), type: '', body: text });
      });
      socket.write(bytes, () => setTimeout(() => socket.end(), QUIET_MS));
    });
  }
}
