/** Posts to one URL, in order, again and again until it is taken or given up. */
import { request } from 'undici';
import type { Clock, Logger } from '../engine/ports.js';
import { linked } from '../platform/linked.js';
import type { SigningSecrets } from '../protocol/signature.js';
import { HEADERS } from '../protocol/words.js';

const ANSWER_MS = 10_000;
/** The pauses grow from the first to the cap: all in all about five minutes. */
const FIRST_PAUSE_MS = 1000;
const PAUSE_CAP_MS = 60_000;
const ATTEMPTS = 10;
/** How long the end of the node waits for what is not delivered yet. */
const STOP_MS = 3000;
/** Posts that wait; what comes on top of them is dropped. */
const MAX_QUEUED = 100;

export interface WebhookParts {
  readonly url: URL;
  /** Null: posts are not signed. */
  readonly signing: SigningSecrets | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told what became of each post. */
  readonly told: (outcome: 'delivered' | 'dropped') => void;
}

export class Webhook {
  private readonly queue: string[] = [];
  private isStopping = false;
  private pump: Promise<void> | null = null;
  private wake: (() => void) | null = null;
  private readonly cut = new AbortController();

  constructor(private readonly parts: WebhookParts) {}

  /** Comes back at once. */
  post(body: object): void {
    if (this.isStopping || this.queue.length >= MAX_QUEUED) return this.drop('too many are waiting');
    this.queue.push(JSON.stringify(body));
    this.pump ??= this.run().finally(() => (this.pump = null));
  }

  /** Tries what waits once more, for three seconds at most, and drops the rest. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.wake?.();
    const cancel = this.parts.clock.after(STOP_MS, () => this.cut.abort(new Error('the node ends')));
    await this.pump;
    cancel();
  }

  private async run(): Promise<void> {
    for (let body = this.queue.shift(); body !== undefined; body = this.queue.shift()) await this.deliver(body);
  }

  private async deliver(body: string): Promise<void> {
    for (let attempt = 1, pauseMs = FIRST_PAUSE_MS; ; attempt += 1, pauseMs = Math.min(pauseMs * 2, PAUSE_CAP_MS)) {
      const trouble = await this.send(body);
      if (trouble === null) return this.parts.told('delivered');
      if (attempt >= ATTEMPTS || this.isStopping) return this.drop(trouble);
      // The URL may hold a secret, its host does not.
      this.parts.logger.warn({ host: this.parts.url.host, trouble, attempt }, 'an alert was not taken; trying again');
      await this.pause(pauseMs);
    }
  }

  /** Null: it was taken. */
  private async send(body: string): Promise<string | null> {
    const { url, signing, clock } = this.parts;
    const path = url.pathname + url.search;
    const signature = signing?.sign({ method: 'POST', path, gid: '', op: 'alert', body }, clock.now());
    const bound = linked(this.cut.signal, ANSWER_MS);
    try {
      const { statusCode, body: answer } = await request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(signature ? { [HEADERS.signature]: signature } : {}) },
        body,
        signal: bound.signal,
      });
      await answer.dump();
      return statusCode >= 200 && statusCode < 300 ? null : `status ${statusCode}`;
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      return code ?? message;
    } finally {
      bound.end();
    }
  }

  private drop(why: string): void {
    this.parts.logger.error({ host: this.parts.url.host, why }, 'an alert was dropped');
    this.parts.told('dropped');
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.isStopping) return resolve();
      const cancel = this.parts.clock.after(ms, resolve);
      this.wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
