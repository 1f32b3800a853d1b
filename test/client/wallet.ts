/** A service that takes part with Nest and TypeORM: money that is held, then taken or given back. */
import { Injectable, Module } from '@nestjs/common';
import type { ModuleMetadata, Provider, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Pending, Refused, TercetFence1763683200000 } from '../../src/client/index.js';
import type { Json, ParticipantCall } from '../../src/client/index.js';
import { Cancel, Confirm, TccComponent, TercetModule, Try } from '../../src/client/nest/index.js';
import type { TccCall, TercetOptions } from '../../src/client/nest/index.js';
import { createDatabase } from '../support/postgres.js';
import { ready } from './until.js';

interface Payment {
  amount: number;
  /** What the try does after it held the money. */
  then?: 'refuse' | 'fail' | 'go on' | 'answer too much';
  /** What the confirm does after it took the money, the first time. */
  confirm?: 'fail';
}

/** Something of the application that a component needs. */
@Injectable()
export class Currency {
  readonly name = 'EUR';
}

@TccComponent('wallet', { timeoutMs: 2000, version: '1.2.3', retry: { baseMs: 1, capMs: 2, maxAttempts: 3 } })
export class Wallet {
  /** Every method that ran, with what it got. */
  readonly ran: { op: string; call: Omit<TccCall, 'manager'> }[] = [];

  constructor(private readonly currency: Currency) {}

  @Try()
  async hold({ manager, ...call }: TccCall<Payment>): Promise<unknown> {
    this.ran.push({ op: 'try', call: { ...call, payload: call.payload as unknown as Json } });
    const { amount, then } = call.payload;
    await manager.query('UPDATE wallet SET held = held + $1', [amount]);
    switch (then) {
      case 'refuse':
        throw new Refused('not enough money');
      case 'fail':
        throw new Error('the disk is full: a secret of the service');
      case 'go on':
        return new Pending(1000);
      case 'answer too much':
        return 'x'.repeat(64 * 1024);
      case undefined:
        break;
    }
    return { held: amount, currency: this.currency.name };
  }

  @Confirm()
  async take({ manager, ...call }: TccCall<Payment>): Promise<void> {
    this.ran.push({ op: 'confirm', call: { ...call, payload: call.payload as unknown as Json } });
    const { amount, confirm } = call.payload;
    await manager.query('UPDATE wallet SET held = held - $1, balance = balance - $1', [amount]);
    if (confirm === 'fail' && call.attempt === 1) throw new Error('the disk is full');
  }

  @Cancel()
  async release({ manager, ...call }: TccCall<Payment>): Promise<void> {
    this.ran.push({ op: 'cancel', call: { ...call, payload: call.payload as unknown as Json } });
    await manager.query('UPDATE wallet SET held = held - $1', [call.payload.amount]);
  }
}

export interface WalletOptions extends TercetOptions {
  providers?: ModuleMetadata['providers'];
  /** Before it listens. */
  configure?: (app: NestFastifyApplication) => unknown;
  bodyLimit?: number;
  /** Nest's. */
  rawBody?: boolean;
  /** Default: Fastify. */
  adapter?: AbstractHttpAdapter;
}

export interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

export class WalletApp {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly url: string,
    private readonly drop: () => Promise<void>,
  ) {}

  static async start(options: WalletOptions): Promise<WalletApp> {
    const { url, drop } = await createDatabase();
    try {
      const app = await create(url, options);
      await app.get(DataSource).query(`
        CREATE TABLE wallet (balance integer NOT NULL, held integer NOT NULL);
        INSERT INTO wallet VALUES (1000, 0)`);
      await app.listen(0, '127.0.0.1');
      const listening = await app.getUrl();
      return new WalletApp(app, listening, drop);
    } catch (error) {
      await drop();
      throw error;
    }
  }

  get wallet(): Wallet {
    return this.app.get(Wallet);
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.drop();
  }

  async money(): Promise<{ balance: number; held: number }> {
    const rows: unknown[] = await this.app.get(DataSource).query('SELECT balance, held FROM wallet');
    return rows[0] as { balance: number; held: number };
  }

  /** The methods that ran for a transaction. */
  ran(gid: string): string[] {
    return this.wallet.ran.filter(({ call }) => call.gid === gid).map(({ op }) => op);
  }

  /** @param body text goes out as it is */
  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Told> {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text ? (JSON.parse(text) as Json) : null };
  }

  /** One call as the coordinator sends it. */
  call(gid: string, op: 'try' | 'confirm' | 'cancel', over: Partial<ParticipantCall> = {}): Promise<Told> {
    return this.post(`/tercet/wallet/${op}`, callOf(gid, op, over));
  }

  async ready(): Promise<Told> {
    const response = await fetch(`${this.url}/tercet/ready`);
    return { status: response.status, headers: response.headers, body: (await response.json()) as Json };
  }

  /** Resolves once the coordinator knows every component. */
  registered(): Promise<void> {
    return ready(`${this.url}/tercet/ready`);
  }
}

export function callOf(gid: string, op: ParticipantCall['op'], over: Partial<ParticipantCall> = {}): ParticipantCall {
  const beganAt = new Date().toISOString();
  const call = { gid, branchId: 'pay', op, attempt: 1, mode: 'tcc', component: 'wallet', beganAt } as const;
  return { ...call, payload: { amount: 300 }, reply: null, ...over };
}

export function moduleOf(url: string, providers: Provider[], tercet: TercetOptions): Type {
  class App {}
  Module({
    imports: [
      TypeOrmModule.forRoot({ type: 'postgres', url, migrations: [TercetFence1763683200000], migrationsRun: true }),
      TercetModule.forRoot(tercet),
    ],
    providers,
  })(App);
  return App;
}

/** The application, created and not listening yet. */
export async function create(url: string, options: WalletOptions): Promise<NestFastifyApplication> {
  const { providers = [Currency, Wallet], configure, bodyLimit, rawBody = false, adapter, ...tercet } = options;
  const App = moduleOf(url, providers, tercet);
  const fastify = new FastifyAdapter(bodyLimit === undefined ? {} : { bodyLimit });
  const app = await NestFactory.create<NestFastifyApplication>(App, adapter ?? fastify, {
    rawBody,
    logger: false,
    abortOnError: false,
  });
  configure?.(app);
  try {
    await app.init();
  } catch (error) {
    await app.close();
    throw error;
  }
  return app;
}
