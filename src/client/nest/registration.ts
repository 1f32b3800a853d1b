/** Tells the coordinator where the components of this application are, and that this instance of it is alive. */
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost } from '@nestjs/core';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { IDENTIFIER } from '../../protocol/words.js';
import { TercetClient } from '../client.js';
import { TercetError } from '../errors.js';
import type { ComponentRequest } from '../requests.js';
import { Components } from './components.js';
import type { FoundComponent } from './components.js';
import { OPTIONS } from './options.js';
import type { TercetOptions } from './options.js';

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
const TTL_MS = 15_000;
/** The coordinator need not hear of the end: it finds out. */
const SIGN_OFF_MS = 2000;
/** After that every node of the coordinator has heard of it, and its last calls have come. */
const LINGER_MS = 500;

@Injectable()
export class Registration implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Tercet');
  private readonly over = new AbortController();
  /** Names, and why they are not registered yet. */
  private readonly missing = new Map<string, string>();
  /** By name of the component that the coordinator may call at this instance: its last heartbeat, once answered. */
  private readonly beats = new Map<string, Promise<unknown>>();
  private instance = '';

  constructor(
    @Inject(OPTIONS) private readonly options: TercetOptions,
    @Inject(TercetClient) private readonly client: TercetClient,
    @Inject(Components) private readonly components: Components,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  /** What keeps the coordinator from calling this application, for a health check; empty when all is well. */
  get problems(): string[] {
    return [...this.missing].map(([name, why]) => `component '${name}' is not registered: ${why}`);
  }

  /** @throws TypeError when the name of the instance cannot be one */
  onApplicationBootstrap(): void {
    const { instance } = this.options;
    if (typeof instance === 'string' && !IDENTIFIER.test(instance)) {
      throw new TypeError(`the instance's name '${instance}' must have 1 to 128 characters of A-Z a-z 0-9 . _ : -`);
    }
    if (this.components.all.length === 0) return;
    // A worker made with createApplicationContext has none, whatever Nest's types say.
    const adapter = this.host.httpAdapter as AbstractHttpAdapter | null;
    const why = adapter ? 'the application does not listen yet' : 'the application has no HTTP server';
    for (const { name } of this.components.all) this.missing.set(name, why);
    if (!adapter) return;
    const server = adapter.getHttpServer() as Server;
    // Not before: whoever is registered is called.
    if (server.listening) this.registerAll(server);
    else server.once('listening', () => this.registerAll(server));
  }

  /** Signs off while the application still answers, so that no call meets a closed port. */
  async beforeApplicationShutdown(): Promise<void> {
    this.over.abort();
    const signal = AbortSignal.timeout(SIGN_OFF_MS);
    const ends = [...this.beats].map(async ([name, beat]) => {
      // One on its way could arrive after the end, and this instance would be called until it expires.
      await Promise.race([beat, pause(SIGN_OFF_MS / 2, undefined, { ref: false })]);
      await this.client.deleteInstance(name, this.instance, { signal });
    });
    const results = await Promise.allSettled(ends);
    if (results.some(({ status }) => status === 'fulfilled')) await pause(LINGER_MS);
  }

  private registerAll(server: Server): void {
    const { port } = server.address() as AddressInfo;
    const base = baseUrl(this.options.publicUrl ?? `http://127.0.0.1:${port}`, this.config);
    this.instance = this.options.instance || nameAt(port);
    for (const component of this.components.all) {
      this.keepKnown(component, `${base}/${component.name}`).catch(() => undefined);
    }
  }

  /** Rejects when the application ends. */
  private async keepKnown(component: FoundComponent, url: string): Promise<void> {
    await this.register(component, url);
    if (this.options.instance === false) return;
    for (;;) {
      await this.beat(component.name, url);
      // Somebody took the component out.
      await this.register(component, url);
    }
  }

  /** Never gives up while the application runs. Rejects when it ends. */
  private async register(component: FoundComponent, url: string): Promise<void> {
    const { signal } = this.over;
    const { name } = component;
    const { dataSource: _dataSource, ...settings } = component.options;
    const request = { ...addressOf(component, url), ...settings };
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        await this.client.putComponent(name, request, { signal });
        this.missing.delete(name);
        this.logger.log(`component '${name}' is registered at ${this.client.url} as ${url}`);
        return;
      } catch (error) {
        signal.throwIfAborted();
        const why = error instanceof Error ? error.message : String(error);
        if (this.missing.get(name) !== why) this.logger.warn(`component '${name}' is not registered yet: ${why}`);
        this.missing.set(name, why);
      }
      await pause(pauseMs, undefined, { signal });
    }
  }

  /** Heartbeats until the coordinator does not know the component any more. Rejects when the application ends. */
  private async beat(name: string, url: string): Promise<void> {
    const { signal } = this.over;
    const { instanceTtlMs: ttlMs = TTL_MS } = this.options;
    const everyMs = ttlMs / 3;
    for (let isHeard = true; ;) {
      let pauseMs = everyMs * (0.8 + 0.2 * Math.random());
      try {
        const late = AbortSignal.timeout(Math.ceil(everyMs));
        const beat = this.client.putInstance(name, this.instance, { url, ttlMs }, { signal: late });
        // Before the answer: one that nobody waits for any more was sent all the same.
        this.beats.set(
          name,
          beat.catch(() => undefined),
        );
        await beat;
        if (!isHeard) this.logger.log(`the coordinator hears from this instance of '${name}' again`);
        isHeard = true;
      } catch (error) {
        signal.throwIfAborted();
        const answer = error instanceof TercetError ? error : null;
        if (answer?.code === 'TERCET_COMPONENT_UNKNOWN') return;
        if (isHeard)
          this.logger.warn(`the coordinator does not hear from this instance of '${name}': ${String(error)}`);
        isHeard = false;
        // It may be back any moment; what it refuses it will refuse again.
        if (!answer || answer.status >= 500) pauseMs = FIRST_PAUSE_MS;
      }
      await pause(pauseMs, undefined, { signal });
    }
  }
}

/** Where its operations are. One that lacks some names the others, so that the coordinator calls nothing else. */
function addressOf({ ops, isComplete }: FoundComponent, url: string): Pick<ComponentRequest, 'url' | 'endpoints'> {
  return isComplete ? { url } : { endpoints: Object.fromEntries(ops.map((op) => [op, `${url}/${op}`])) };
}

/** No two are the same: one that is started again at the same place must not be taken for the one before. */
function nameAt(port: number): string {
  const host = hostname().replace(/[^A-Za-z0-9._:-]/g, '-');
  return `${host.slice(0, 100)}-${port}-${randomBytes(3).toString('hex')}`;
}

/** What the addresses of all components of an application begin with. */
export function baseUrl(url: string, config: ApplicationConfig): string {
  return [url, config.getGlobalPrefix(), 'tercet']
    .map((part) => part.replace(/^\/+|\/+$/g, ''))
    .filter((part) => part !== '')
    .join('/');
}
