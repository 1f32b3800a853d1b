/** What a handler is told beside the payload: `@Ctx() context: MessageContext`. */
import { BaseRpcContext } from '@nestjs/microservices';
import type { EntityManager } from 'typeorm';
import type { Message } from '../../kafka/message.js';

export class MessageContext extends BaseRpcContext<[Message<unknown, EntityManager>]> {
  /** Id, topic, partition, offset, key, headers, gid: all of it. */
  get message(): Message<unknown, EntityManager> {
    return this.args[0];
  }

  /** The open transaction that the inbox row stands in: what is written with it takes effect once or not at all. */
  get manager(): EntityManager {
    return this.message.manager;
  }

  get key(): string | null {
    return this.message.key;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.message.headers;
  }
}
