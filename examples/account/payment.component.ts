/**
 * What the account does for an order that is sent, in two operations:
 *
 *   action      pay: the money is gone, at once
 *   compensate  something after it failed: pay it back
 *
 * Here too the SDK runs each at most once, in the transaction of `manager`, and pays back only what was paid.
 */
import { Inject } from '@nestjs/common';
import { Refused } from '@tercet/client';
import { TercetConfig } from '@tercet/client/config';
import { Action, Compensate, SagaComponent } from '@tercet/client/nest';
import type { SagaCall } from '@tercet/client/nest';
import type { Payment } from './account.component.js';
import { Account } from './account.entity.js';
import type { AccountConfig } from './limits.js';

@SagaComponent('payment')
export class PaymentComponent {
  constructor(@Inject(TercetConfig) private readonly config: AccountConfig) {}

  @Action()
  async pay({ gid, payload, manager }: SagaCall<Payment>) {
    const { customer, amount } = payload;
    const { mostPerOrder } = this.config.get('account');
    if (mostPerOrder !== null && amount > mostPerOrder)
      throw new Refused(`one order may cost ${mostPerOrder} cents at most`);
    const { affected } = await manager
      .createQueryBuilder()
      .update(Account)
      .set({ balance: () => 'balance - :amount' })
      .where('id = :customer AND balance - held >= :amount', { customer, amount })
      .execute();
    // What a later branch may refer to.
    if (affected === 1) return { receipt: `paid-${gid}` };
    const isKnown = await manager.existsBy(Account, { id: customer });
    throw new Refused(isKnown ? 'not enough money' : `no account '${customer}'`);
  }

  @Compensate()
  async payBack({ payload, manager }: SagaCall<Payment>) {
    await manager.increment(Account, { id: payload.customer }, 'balance', payload.amount);
  }
}
