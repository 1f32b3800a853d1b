/**
 * What the account does for an order, in three operations:
 *
 *   try      hold the money: it stays in the balance, but nobody else can spend it
 *   confirm  every service said yes: take what is held
 *   cancel   one of them said no: let go of it
 *
 * Calls come twice, late, and in the wrong order. None of that shows here: the SDK runs each method at most once for
 * an order, in the transaction of `manager`, and a cancel only if the try took effect.
 */
import { Inject } from '@nestjs/common';
import { Refused } from '@tercet/client';
import { TercetConfig } from '@tercet/client/config';
import { Cancel, Confirm, TccComponent, Try } from '@tercet/client/nest';
import type { TccCall } from '@tercet/client/nest';
import { Account } from './account.entity.js';
import type { AccountConfig } from './limits.js';

export interface Payment {
  customer: string;
  /** In cents. */
  amount: number;
}

@TccComponent('account')
export class AccountComponent {
  constructor(@Inject(TercetConfig) private readonly config: AccountConfig) {}

  @Try()
  async hold({ payload, manager }: TccCall<Payment>) {
    const { customer, amount } = payload;
    const { mostPerOrder } = this.config.get('account');
    if (mostPerOrder !== null && amount > mostPerOrder)
      throw new Refused(`one order may cost ${mostPerOrder} cents at most`);
    // One statement checks and changes: two orders cannot both hold the last euro.
    const { affected } = await manager
      .createQueryBuilder()
      .update(Account)
      .set({ held: () => 'held + :amount' })
      .where('id = :customer AND balance - held >= :amount', { customer, amount })
      .execute();
    if (affected === 1) return { held: amount };
    const isKnown = await manager.existsBy(Account, { id: customer });
    throw new Refused(isKnown ? 'not enough money' : `no account '${customer}'`);
  }

  @Confirm()
  async take({ payload, manager }: TccCall<Payment>) {
    const { customer, amount } = payload;
    await manager.decrement(Account, { id: customer }, 'held', amount);
    await manager.decrement(Account, { id: customer }, 'balance', amount);
  }

  @Cancel()
  async release({ payload, manager }: TccCall<Payment>) {
    await manager.decrement(Account, { id: payload.customer }, 'held', payload.amount);
  }
}
