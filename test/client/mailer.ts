/** A service that sends messages and gets them, with Nest and TypeORM: orders are paid, mails go out. */
import { Refused } from '../../src/client/index.js';
import type { Json } from '../../src/client/index.js';
import { Deliver, MessageComponent } from '../../src/client/nest/index.js';
import type { DeliverCall } from '../../src/client/nest/index.js';
import { WalletApp } from './wallet.js';
import type { WalletOptions } from './wallet.js';

export interface Mail {
  to: string;
  /** What the method does after it took the mail, the first time. */
  then?: 'fail' | 'refuse';
}

@MessageComponent('mail', { timeoutMs: 2000, check: { afterMs: 100 } })
export class Mailbox {
  /** Every call that ran, with what it got. */
  readonly ran: Omit<DeliverCall, 'manager'>[] = [];

  @Deliver()
  async take({ manager, ...call }: DeliverCall<Mail>): Promise<{ mailed: string }> {
    this.ran.push({ ...call, payload: call.payload as unknown as Json });
    await manager.query('UPDATE wallet SET held = held + 1');
    if (call.attempt === 1 && call.payload.then === 'fail') throw new Error('the disk is full');
    if (call.attempt === 1 && call.payload.then === 'refuse') throw new Refused('no such address');
    return { mailed: call.payload.to };
  }
}

/** Sends messages as `order`, gets them as `mail`. */
export function startMailer(options: Omit<WalletOptions, 'providers'>): Promise<WalletApp> {
  return WalletApp.start({ messages: 'order', ...options, providers: [Mailbox] });
}
