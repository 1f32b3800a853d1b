/** Tells the coordinator where the components of this application are, until it has heard. */
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost } from '@nestjs/core';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { TercetClient } from '../client.js';
import { Components } from './components.js';
import type { FoundComponent } from './components.js';
import { OPTIONS } from './options.js';
import type { TercetOptions } from './options.js';

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;

@Injectable()
export class Registration implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Tercet');
  private readonly over = new AbortController();
  /** Names, and why they are not registered yet. */
  private readonly missing = new Map<string, string>();

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

  onApplicationBootstrap(): void {
    if (this.components.all.length === 0) return;
    for (const { name } of this.components.all) this.missing.set(name, 'the application does not listen yet');
    const server = this.host.httpAdapter.getHttpServer() as Server;
    // Not before: whoever is registered is called.
    if (server.listening) this.registerAll(server);
    else server.once('listening', () => this.registerAll(server));
  }

  beforeApplicationShutdown(): void {
    this.over.abort();
  }

  private registerAll(server: Server): void {
    const own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const base = baseUrl(this.options.publicUrl ?? own, this.config);
    for (const component of this.components.all) {
      this.register(component, `${base}/${component.name}`).catch(() => undefined);
    }
  }

  /** Never gives up while the application runs. Rejects when it ends. */
  private async register({ name, options }: FoundComponent, url: string): Promise<void> {
    const { signal } = this.over;
    const { dataSource: _dataSource, ...settings } = options;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        await this.client.putComponent(name, { url, ...settings }, { signal });
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
}

/** What the addresses of all components of an application begin with. */
export function baseUrl(url: string, config: ApplicationConfig): string {
  return [url, config.getGlobalPrefix(), 'tercet']
    .map((part) => part.replace(/^\/+|\/+$/g, ''))
    .filter((part) => part !== '')
    .join('/');
}
