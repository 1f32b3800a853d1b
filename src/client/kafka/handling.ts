/** What becomes of one message: it takes effect, was there before, is given up, or waits for another attempt. */
import type { KafkaMessage } from 'kafkajs';
import { Refused, described } from '../errors.js';
import type { Executor } from '../../platform/executor.js';
import type { Budget, GivingUp } from './budget.js';
import { within } from '../../platform/within.js';
import { HandlerTimeout } from '../database.js';
import type { Database } from '../database.js';
import { deadLetterOf } from './dead-letters.js';
import type { DeadLetters } from './dead-letters.js';
import { bury, enter, fail, follow, MessageBusy, obituaryOf, settle } from './inbox.js';
import type { Entrance, InboxEntry } from './inbox.js';
import { inboxId } from './message.js';
import type { Envelope, Message } from './message.js';

export type Handler<Payload, Manager extends Executor> = (message: Message<Payload, Manager>) => unknown;

/** `waits`: what was wrong, and after how many failures its next attempt is due. */
export type Handled =
  | { readonly kind: 'done' | 'repeat' }
  | { readonly kind: 'dead'; readonly error: string }
  | { readonly kind: 'waits'; readonly failures: number; readonly error: unknown };

interface Rules<Payload, Manager extends Executor> {
  readonly groupId: string;
  readonly database: Database<Manager>;
  readonly handler: Handler<Payload, Manager>;
  readonly timeoutMs: number;
  readonly parse: (value: Buffer) => unknown;
  readonly budget: Budget;
  readonly givingUp: GivingUp;
  readonly deadLetters: DeadLetters;
  readonly deadLetterTopic: (topic: string) => string;
  readonly isReplay: boolean;
}

export class Handling<Payload, Manager extends Executor> {
  constructor(private readonly rules: Rules<Payload, Manager>) {}

  /**
   * Never rejects.
   *
   * @param failures how often this message has failed here without being counted in the database
   */
  async handle(envelope: Envelope, raw: KafkaMessage, failures: number): Promise<Handled> {
    const entry = this.entryOf(envelope, raw);
    const next = await this.attempt(entry, envelope, raw).catch((error: unknown) =>
      this.failed(entry, error, failures),
    );
    if (typeof next !== 'string') return next;
    switch (next) {
      case 'run':
        return { kind: 'done' };
      case 'repeat':
        return { kind: 'repeat' };
      case 'dead':
      case 'parked':
        // Until the broker has it, it stays where it is: recorded as dead, so it is not tried again.
        return this.sendAway(entry, raw).catch((error: unknown) => waits(failures + 1, error));
    }
  }

  private attempt(entry: InboxEntry, envelope: Envelope, raw: KafkaMessage): Promise<Entrance> {
    const { database, handler, timeoutMs, isReplay } = this.rules;
    return database.transaction(async (manager) => {
      const entrance = await enter(manager, entry, isReplay);
      if (entrance === 'run') {
        const message = { ...envelope, payload: this.payloadOf(raw) as Payload, manager };
        await within(timeoutMs, Promise.resolve(handler(message)), () => new HandlerTimeout(timeoutMs));
        await settle(manager, entry);
      }
      if (entrance === 'parked') await follow(manager, entry);
      return entrance;
    });
  }

  /** Counts it, where the database can be asked; if not, it is no fault of the message. */
  private async failed(entry: InboxEntry, error: unknown, failures: number): Promise<Entrance | Handled> {
    const { database, budget, givingUp, isReplay } = this.rules;
    if (isReplay || error instanceof MessageBusy) return waits(failures + 1, error);
    try {
      const counted = await fail(database.executor, entry, String(error));
      if (!counted) return 'repeat';
      if (!budget.isSpent(counted, error)) return waits(counted.attempts, error);
      await bury(database.executor, entry, givingUp === 'park');
      return 'dead';
    } catch (alsoWrong) {
      return waits(failures + 1, alsoWrong);
    }
  }

  private async sendAway(entry: InboxEntry, raw: KafkaMessage): Promise<Handled> {
    const { database, deadLetters, deadLetterTopic } = this.rules;
    const obituary = await obituaryOf(database.executor, entry);
    // Somebody put it right meanwhile: the next look says how.
    if (!obituary) return waits(1, new Error('it was given up, and is no longer'));
    await deadLetters.send(deadLetterTopic(entry.topic), deadLetterOf(raw, entry, obituary));
    return { kind: 'dead', error: obituary.error };
  }

  private entryOf(envelope: Envelope, { key }: KafkaMessage): InboxEntry {
    const { topic, partition, offset } = envelope;
    return { consumer: this.rules.groupId, id: inboxId(envelope), topic, partition, offset, key };
  }

  private payloadOf({ value }: KafkaMessage): unknown {
    if (value === null) return null;
    try {
      return this.rules.parse(value);
    } catch (error) {
      throw new Refused(`the payload cannot be read: ${described(error)}`);
    }
  }
}

function waits(failures: number, error: unknown): Handled {
  return { kind: 'waits', failures, error };
}
