/** HTTP to the coordinator. Whatever goes wrong becomes words, an exit code and what to do next. */
import type { Problem } from '../protocol/words.js';
import type { Given, Option } from './command.js';
import { changeLines, problemLines } from './config-changes.js';
import { EXIT, Failure, WrongUse } from './exit.js';
import type { Exit } from './exit.js';

const DEFAULT_URL = 'http://127.0.0.1:8372';
const TIMEOUT_MS = 15_000;

/** Of every command that talks to a coordinator. */
export const REMOTE: Readonly<Record<string, Option>> = {
  json: { says: 'what the coordinator answered, for scripts' },
  url: { value: 'URL', says: `where it is; else TERCET_URL, else ${DEFAULT_URL}` },
  key: { value: 'KEY', says: 'the key to show; better TERCET_KEY: others may see a command line' },
};

/** What to do about an error of docs/errors.md, where its detail does not say so itself. */
const NEXT: Readonly<Record<string, string>> = {
  TERCET_TRANSACTION_UNKNOWN: '`tercet tx list` shows what is there; is this the right coordinator?',
  TERCET_TRANSACTION_DECIDED: '`tercet tx show GID` says how',
  TERCET_TRANSACTION_STATE: '`tercet tx show GID` says what it is now',
  TERCET_DEAD_LETTER_UNKNOWN: '`tercet outbox dead` shows them',
  TERCET_LOCK_UNKNOWN: '`tercet lock list` shows those that somebody has',
  TERCET_COMPONENT_UNKNOWN: '`tercet component list` shows them',
  TERCET_COMPONENT_IN_USE: '`tercet tx list --unfinished --component NAME` shows them',
  TERCET_CONFIG_UNKNOWN: 'is this the right coordinator? TERCET_URL or --url says where to look',
  TERCET_CONFIG_CONFLICT:
    '`tercet config diff ENV` says what is drafted, `tercet config history ENV` what was released',
  TERCET_CONFIG_LOCKED: 'ask whoever it is, or wait; `tercet lock show NAME` says for how long',
  TERCET_CONFIG_ROLLOUT_STATE: '`tercet config watch ENV` says how far it is',
  TERCET_ROUTE_UNKNOWN: 'the coordinator is of another version than this command: `tercet --version`',
  TERCET_NOT_READY: '`tercet doctor` says what is wrong',
  TERCET_OUTCOME_UNKNOWN: 'look at it with `tercet tx show`, then repeat the command: that is safe',
  TERCET_INTERNAL: 'the log of the coordinator says what happened',
};

export class Api {
  readonly url: string;
  private readonly key: string | undefined;
  /** Time by the clock of the coordinator, as of its last answer: ms. */
  now = Date.now();

  constructor(given: Given) {
    // An empty value is one that was not given.
    this.url = baseOf((given.text('url') ?? process.env['TERCET_URL']) || DEFAULT_URL);
    this.key = (given.text('key') ?? process.env['TERCET_KEY']) || undefined;
    // Not shown: it may be a key with a line end.
    if (this.key !== undefined && !/^[\x21-\x7e]+$/.test(this.key)) {
      throw new WrongUse('the key (--key, TERCET_KEY) has characters that no key has');
    }
  }

  /** @param field that the answer has, if it is that of a coordinator */
  async get<T>(
    path: string,
    field: keyof T,
    query: Readonly<Record<string, string | undefined>> = {},
    timeoutMs = TIMEOUT_MS,
  ): Promise<T> {
    const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
    const search = new URLSearchParams(given).toString();
    const answer = await this.send('GET', search === '' ? path : `${path}?${search}`, undefined, timeoutMs);
    return this.checked(answer, field);
  }

  async post<T>(path: string, field: keyof T, body: object, timeoutMs = TIMEOUT_MS): Promise<T> {
    return this.checked(await this.send('POST', path, JSON.stringify(body), timeoutMs), field);
  }

  async put<T>(path: string, field: keyof T, body: object): Promise<T> {
    return this.checked(await this.send('PUT', path, JSON.stringify(body), TIMEOUT_MS), field);
  }

  async delete(path: string, query: Readonly<Record<string, string>> = {}): Promise<void> {
    const search = new URLSearchParams(query).toString();
    await this.send('DELETE', search === '' ? path : `${path}?${search}`, undefined, TIMEOUT_MS);
  }

  /** @throws Failure */
  private async send(method: string, path: string, body: string | undefined, timeoutMs: number): Promise<unknown> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.url + path, {
        method,
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          ...(this.key === undefined ? {} : { authorization: `Bearer ${this.key}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body }),
      });
      text = await response.text();
    } catch (error) {
      throw this.unreachable(error, timeoutMs);
    }
    this.now = Date.parse(response.headers.get('date') ?? '') || Date.now();
    const answer = parsed(text);
    if (response.ok && (answer !== undefined || response.status === 204)) return answer;
    throw this.refusal(response, answer);
  }

  private unreachable(error: unknown, timeoutMs: number): Failure {
    const { name, message, cause } = error as Error;
    const { code, message: why } = (cause ?? {}) as { code?: string; message?: string };
    const said = name === 'TimeoutError' ? `no answer within ${timeoutMs / 1000} s` : why || code || message;
    const next = /CERT|SIGNATURE|ISSUER/.test(code ?? '')
      ? 'NODE_EXTRA_CA_CERTS=FILE makes Node trust a certificate authority of your own'
      : 'does `tercet serve` run there? TERCET_URL or --url says where to look';
    return new Failure(`cannot reach the coordinator at ${this.url}: ${said}`, EXIT.failed, next);
  }

  private refusal({ status, headers }: Response, answer: unknown): Failure {
    const problem = (typeof answer === 'object' ? answer : null) as Partial<Problem> | null;
    if (typeof problem?.code !== 'string') {
      const location = headers.get('location');
      const what = location === null ? `HTTP ${status}` : `a redirect to ${location}, which is not followed`;
      return this.stranger(what);
    }
    const { code, detail = '', errors = [], diff = [] } = problem;
    // The detail has the first of what is wrong with a request; of a content all is of use.
    const more = code.startsWith('TERCET_CONFIG_') ? [...problemLines(errors), ...changeLines(diff)] : [];
    return new Failure(`${code}: ${detail}`, exitOf(status, code), this.nextFor(status, code), more);
  }

  private checked<T>(answer: unknown, field: keyof T): T {
    if (typeof answer === 'object' && answer !== null && field in answer) return answer as T;
    throw this.stranger(`its answer has no '${String(field)}'`);
  }

  private stranger(what: string): Failure {
    const next = 'TERCET_URL or --url must lead to the coordinator itself';
    return new Failure(`what answers at ${this.url} is no coordinator: ${what}`, EXIT.failed, next);
  }

  private nextFor(status: number, code: string): string {
    if (status === 401) {
      return this.key === undefined
        ? 'no key was shown: TERCET_KEY or --key gives one; `tercet key new` makes one'
        : 'it does not know the key of TERCET_KEY or --key: is it for another coordinator, or was it taken out?';
    }
    if (status === 403) return 'use a key with a role that may; TERCET_KEYS of the coordinator lists them';
    return NEXT[code] ?? `docs/errors.md explains ${code}`;
  }
}

function exitOf(status: number, code: string): Exit {
  if (status === 401 || status === 403) return EXIT.notAllowed;
  if (status === 404) return code === 'TERCET_ROUTE_UNKNOWN' ? EXIT.failed : EXIT.notThere;
  if (status === 409) return EXIT.notNow;
  return status < 500 && status !== 429 ? EXIT.wrongUse : EXIT.failed;
}

function baseOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new WrongUse('the URL (--url, TERCET_URL) must be like http://127.0.0.1:8372, and hold no password');
  }
  return url.origin + url.pathname.replace(/\/+$/, '');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
