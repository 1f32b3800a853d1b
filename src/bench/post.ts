/** The HTTP of the load generator. */
import { Agent, request } from 'undici';
import { Trouble } from './trouble.js';

/** To each process at a time; what is more waits for one. */
const CONNECTIONS = 1024;

export interface Answer {
  readonly status: number;
  readonly retryAfterMs: number;
  readonly text: string;
}

export class Post {
  private readonly agent = new Agent({ connections: CONNECTIONS, pipelining: 1 });

  /** @throws Trouble for an answer that is none of `expected`, and for none at all */
  async send(
    method: 'POST' | 'PUT',
    url: string,
    body: string,
    expected: readonly number[],
    more: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const headers = { 'content-type': 'application/json', ...more };
    const answer = await request(url, { method, body, headers, dispatcher: this.agent }).catch((error: Error) => {
      throw new Trouble(`${url} does not answer: ${error.message}`);
    });
    const status = answer.statusCode;
    const text = await answer.body.text();
    if (!expected.includes(status)) throw new Trouble(`${url} answered ${status}: ${text}`);
    return { status, retryAfterMs: 1000 * (Number(answer.headers['retry-after']) || 0), text };
  }

  close(): Promise<void> {
    return this.agent.destroy();
  }
}
