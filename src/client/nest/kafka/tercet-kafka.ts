/** A transport of Nest over `consume`: its handlers run in the transaction of the inbox, and no message blocks for ever. */
import { Logger } from '@nestjs/common';
import { Server, Transport } from '@nestjs/microservices';
import type { CustomTransportStrategy, MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import type { EntityManager } from 'typeorm';
import { consume } from '../../kafka/consume.js';
import type { ConsumerOptions, Consumption } from '../../kafka/consume.js';
import type { DataSourceLike } from '../../database.js';
import type { Message } from '../../kafka/message.js';
import { MessageContext } from './message-context.js';

export interface TercetKafkaOptions extends ConsumerOptions {
  /** Where messages take effect: TypeORM's, `app.get(DataSource)`. */
  dataSource: DataSourceLike<EntityManager>;
}

/** `app.connectMicroservice({ strategy: new TercetKafka({ … }) })`. The topics are those of the handlers. */
export class TercetKafka extends Server implements CustomTransportStrategy {
  // Handlers that name a transport name Kafka.
  override transportId = Transport.KAFKA;
  // An error is retried, counted and logged here.
  override readonly propagatesEventHandlerErrors = true;
  protected override readonly logger = new Logger('TercetKafka');
  private running: Consumption | undefined;

  constructor(private readonly options: TercetKafkaOptions) {
    super();
  }

  /**
   * For health checks and metrics.
   *
   * @throws Error before the microservice was started
   */
  get consumption(): Consumption {
    if (this.running) return this.running;
    throw new Error('the microservice was not started: call app.startAllMicroservices() or listen() first');
  }

  /** @throws Error for a handler that cannot be one of Kafka's messages: better at the start than at the first message */
  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false, extras = {}): void {
    if (typeof pattern !== 'string') throw new Error(`'${String(pattern)}': a handler names its topic as a string`);
    if (!isEventHandler) {
      throw new Error(
        `@MessagePattern('${pattern}'): nobody waits for an answer; use @EventPattern or @MessageHandler`,
      );
    }
    if (this.messageHandlers.has(pattern)) {
      throw new Error(`'${pattern}' has two handlers: they would share one transaction; let one call the other`);
    }
    super.addHandler(pattern, callback, isEventHandler, extras);
  }

  /** Does not wait for the broker: `consumption.status()` says whether it is there. */
  listen(callback: (error?: unknown) => void): void {
    try {
      const topics = [...this.messageHandlers.keys()];
      const { logger } = this;
      const handler = (message: Message<unknown, EntityManager>): Promise<void> => this.run(message);
      this.running = consume<unknown, EntityManager>({ logger, ...this.options, topics, handler });
      callback();
    } catch (error) {
      callback(error);
    }
  }

  /** Handlers under way end first, and their offsets are committed. */
  async close(): Promise<void> {
    await this.running?.stop();
  }

  override on(): never {
    throw new Error('there are no events to listen to: ask consumption.status()');
  }

  override unwrap<T>(): T {
    return this.consumption as T;
  }

  private async run(message: Message<unknown, EntityManager>): Promise<void> {
    const handler = this.getHandlerByPattern(message.topic);
    if (!handler) throw new Error(`nothing handles messages of '${message.topic}'`);
    const context = new MessageContext([message]);
    try {
      const result: unknown = await handler(message.payload, context);
      if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
    } catch (error) {
      throw error instanceof Error ? error : new Error(saidBy(error), { cause: error });
    }
  }
}

/** Nest's own filter throws an object with a message. */
function saidBy(error: unknown): string {
  const { message } = Object(error) as { message?: unknown };
  return typeof message === 'string' ? message : JSON.stringify(error);
}
