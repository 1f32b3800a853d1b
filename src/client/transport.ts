/** One request to the coordinator, repeated while that is safe and makes sense. */
import { setTimeout as timer } from 'node:timers/promises';
import type { Ids } from '../ids/id.js';
import { linked } from '../platform/linked.js';
import type { Problem } from '../protocol/words.js';
import { TercetError, TercetUnreachable } from './errors.js';
import { jsonText } from './json-text.js';

export interface RetryOptions {
  /** How often a request is sent at most; default 6. */
  attempts: number;
  /** Pause before the second attempt in ms, doubled for each further one; default 100. */
  baseMs: number;
  /** Longest pause in ms, where the coordinator asks for none; default 2000. */
  capMs: number;
}

export interface ClientOptions {
  /** Where the coordinator is; default: TERCET_URL, or http://127.0.0.1:8372. */
  url?: string;
  /** API key; default: TERCET_KEY, or none. */
  key?: string;
  /** How long one attempt may take, in ms, beyond what it waits for at the coordinator; default 10000. */
  timeoutMs?: number;
  retry?: Partial<RetryOptions>;
  /** Makes the gids of transactions that are begun without one: `snowflake(…)`, `segment(…)`, …; default: UUIDv7. */
  ids?: Pick<Ids, 'next'>;
  /** The active trace context of the W3C, asked for each request; for where nothing instruments `fetch`. */
  traceparent?: () => string | undefined;
}

export interface CallOptions {
  /** Ends the request and its retries; the promise rejects with the reason of the signal. */
  signal?: AbortSignal;
}

interface Request extends CallOptions {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  /** How long the coordinator may hold the answer back, in ms. */
  waitMs?: number;
  /** Which transaction it is about, for error messages. */
  gid?: string;
}

/** Of the answers that are worth asking again for; after any other 5xx it is not known what was accepted. */
const ACCEPTED_NOTHING = new Set([429, 503]);
/** The coordinator may ask for a longer pause than capMs, up to this. */
const MAX_RETRY_AFTER_MS = 30_000;

export class Transport {
  readonly url: string;
  private readonly key: string | undefined;
  private readonly timeoutMs: number;
  private readonly retry: RetryOptions;
  private readonly traceparent: () => string | undefined;

  constructor({ url, key, timeoutMs = 10_000, retry, traceparent = () => undefined }: ClientOptions) {
    this.url = (url ?? process.env['TERCET_URL'] ?? 'http://127.0.0.1:8372').replace(/\/+$/, '');
    if (!/^https?:$/.test(URL.canParse(this.url) ? new URL(this.url).protocol : '')) {
      throw new TypeError(`the coordinator's URL is '${this.url}'; it must be an http or https URL`);
    }
    this.key = key ?? process.env['TERCET_KEY'];
    this.timeoutMs = timeoutMs;
    this.retry = { attempts: 6, baseMs: 100, capMs: 2000, ...retry };
    this.traceparent = traceparent;
  }

  /**
   * Every request of the coordinator's API may be repeated: a transaction is named by its gid, everything else
   * by its place.
   *
   * @throws TercetError the coordinator's answer; TercetUnreachable: it is not known what became of the request;
   * TypeError or RangeError: JSON cannot carry the body, and nothing was sent
   */
  async send<T>(request: Request): Promise<T> {
    const { signal, body } = request;
    const text = body === undefined ? undefined : jsonText(body, 'the request');
    let isUnknown = false;
    for (let attempt = 1; ; attempt += 1) {
      let failure: unknown;
      let retryAfterMs = 0;
      try {
        const { response, answer } = await this.exchange(request, text);
        const { status } = response;
        if (status === 204) return undefined as T;
        if (response.ok) return parsed<T>(answer, status, this.url);
        failure = refusal(answer, status, this.url);
        if (status < 500 && status !== 429) throw failure;
        isUnknown ||= !ACCEPTED_NOTHING.has(status);
        retryAfterMs = Math.min(MAX_RETRY_AFTER_MS, 1000 * (Number(response.headers.get('retry-after')) || 0));
      } catch (error) {
        signal?.throwIfAborted();
        if (error === failure) throw error;
        failure = error;
        isUnknown = true;
      }
      if (attempt >= this.retry.attempts) {
        // "Nothing was accepted" speaks of the last attempt only: an earlier one may have got through.
        if (!isUnknown) throw failure;
        throw new TercetUnreachable(request.gid ?? null, this.url, attempt, failure);
      }
      await this.pauseAfter(attempt, retryAfterMs, signal);
    }
  }

  private async exchange(
    { method, path, headers, waitMs = 0, signal }: Request,
    text: string | undefined,
  ): Promise<{ response: Response; answer: string }> {
    const traceparent = this.traceparent();
    const bound = linked(signal, Math.ceil(this.timeoutMs + waitMs));
    try {
      const response = await fetch(`${this.url}${path}`, {
        method,
        headers: {
          ...headers,
          ...(text === undefined ? {} : { 'content-type': 'application/json' }),
          ...(this.key === undefined ? {} : { authorization: `Bearer ${this.key}` }),
          ...(traceparent === undefined ? {} : { traceparent }),
        },
        ...(text === undefined ? {} : { body: text }),
        redirect: 'manual',
        signal: bound.signal,
      });
      return { response, answer: await response.text() };
    } finally {
      bound.end();
    }
  }

  private async pauseAfter(attempt: number, retryAfterMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { baseMs, capMs } = this.retry;
    const grownMs = Math.min(capMs, baseMs * 2 ** (attempt - 1));
    // Half of it at random, so that those who failed together do not come back together.
    const spreadMs = grownMs * (0.5 + Math.random() / 2);
    const pauseMs = retryAfterMs > 0 ? retryAfterMs + grownMs * Math.random() : spreadMs;
    await pause(pauseMs, signal);
  }
}

/** Ends early when the signal says so, and rejects with its reason. */
export async function pause(pauseMs: number, signal: AbortSignal | undefined): Promise<void> {
  await timer(pauseMs, undefined, signal ? { signal } : {}).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
}

function parsed<T>(text: string, status: number, url: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    const detail = `${url} answered ${status} with something that is not JSON; is a coordinator there?`;
    throw TercetError.of('TERCET_ANSWER_INVALID', detail, { cause });
  }
}

function refusal(text: string, status: number, url: string): TercetError {
  try {
    const problem = JSON.parse(text) as Partial<Problem> | null;
    if (typeof problem?.code === 'string' && typeof problem.detail === 'string') {
      const { code, detail, type = `urn:tercet:${code}`, title = code, errors } = problem;
      return new TercetError({ type, title, status, detail, code, ...(errors ? { errors } : {}) });
    }
  } catch {
    // Not JSON: a proxy's page, for instance.
  }
  return TercetError.of(
    'TERCET_ANSWER_INVALID',
    `${url} answered ${status}, which says nothing; is a coordinator there?`,
  );
}
