/** A service that takes part in sagas with Nest and TypeORM: an order, a payment from the wallet, a parcel. */
import { Injectable } from '@nestjs/common';
import { Pending, Refused } from '../../src/client/index.js';
import { Action, Compensate, SagaComponent } from '../../src/client/nest/index.js';
import type { SagaCall } from '../../src/client/nest/index.js';
import { WalletApp } from './wallet.js';
import type { WalletOptions } from './wallet.js';

/** Every method that ran, with what it got. */
@Injectable()
export class Journal {
  readonly ran: { what: string; call: Omit<SagaCall<unknown, unknown>, 'manager'> }[] = [];

  note(what: string, { manager: _manager, ...call }: SagaCall<unknown, unknown>): void {
    this.ran.push({ what, call });
  }

  /** What ran for a transaction. */
  of(gid: string): string[] {
    return this.ran.filter(({ call }) => call.gid === gid).map(({ what }) => what);
  }
}

export interface OrderRequest {
  customer: string;
}
export interface OrderReply {
  orderId: string;
  lines: { sku: string }[];
}

@SagaComponent('order')
export class Orders {
  constructor(private readonly journal: Journal) {}

  @Action()
  place(call: SagaCall<OrderRequest, OrderReply>): OrderReply {
    this.journal.note('order', call);
    return { orderId: `order of ${call.payload.customer}`, lines: [{ sku: 'book' }, { sku: 'pen' }] };
  }

  @Compensate()
  cancel(call: SagaCall<OrderRequest, OrderReply>): void {
    this.journal.note('order undone', call);
  }
}

export interface Payment {
  orderId: string;
  amount: number;
  /** What the action does after it took the money. */
  then?: 'refuse' | 'fail' | 'go on';
}
export interface Receipt {
  paymentId: string;
}

@SagaComponent('payment', { timeoutMs: 2000, version: '1.2.3', retry: { baseMs: 1, capMs: 2 } })
export class Payments {
  constructor(private readonly journal: Journal) {}

  @Action()
  async pay(call: SagaCall<Payment, Receipt>): Promise<Receipt | Pending> {
    this.journal.note('payment', call);
    await call.manager.query('UPDATE wallet SET balance = balance - $1', [call.payload.amount]);
    switch (call.payload.then) {
      case 'refuse':
        throw new Refused('not enough money');
      case 'fail':
        throw new Error('the disk is full');
      case 'go on':
        return new Pending(1000);
      case undefined:
        break;
    }
    return { paymentId: `payment of ${call.payload.orderId}` };
  }

  @Compensate()
  async giveBack(call: SagaCall<Payment, Receipt>): Promise<void> {
    this.journal.note('payment undone', call);
    await call.manager.query('UPDATE wallet SET balance = balance + $1', [call.payload.amount]);
  }
}

export interface Parcel {
  paymentId: string;
  sku: string;
}

/** Cannot be taken back. */
@SagaComponent('parcel')
export class Parcels {
  constructor(private readonly journal: Journal) {}

  @Action()
  send(call: SagaCall<Parcel, null>): null {
    this.journal.note('parcel', call);
    return null;
  }
}

export const SHOP = [Journal, Orders, Payments, Parcels];

export function startShop(options: Omit<WalletOptions, 'providers'>): Promise<WalletApp> {
  return WalletApp.start({ ...options, providers: SHOP });
}
