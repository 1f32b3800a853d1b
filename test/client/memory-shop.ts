/** A shop whose services are functions over one object: what the test kit is to be used with. */
import { Refused, saga, sagaComponent } from '../../src/client/index.js';
import type { TestCall } from '../../src/client/testing/index.js';

export interface Order {
  customer: string;
  amount: number;
}
interface Placed {
  orderId: string;
}
interface Payment extends Placed {
  amount: number;
}

export const placeOrder = saga<Order>('place-order')
  .step('order', sagaComponent<Order, Placed>('order'), ({ input }) => input)
  .step('payment', sagaComponent<Payment, { paid: number }>('payment'), ({ input, reply }) => ({
    orderId: reply.order.orderId,
    amount: input.amount,
  }))
  .step('shipment', sagaComponent<Placed, null>('shipment'), ({ reply }) => ({ orderId: reply.order.orderId }));

export const request = placeOrder.request({ customer: 'alice', amount: 30 }, { gid: 'order-17' });

/** Money is held, then taken. */
export const purchase = {
  gid: 'purchase-17',
  branches: [
    { branchId: 'wallet', component: 'wallet', payload: { amount: 30 } },
    { branchId: 'stock', component: 'stock', payload: { amount: 1 } },
  ],
};

export class Shop {
  readonly orders = new Map<string, Order>();
  readonly parcels = new Set<string>();
  balance = 100;
  readonly held = { wallet: 0, stock: 0 };
  stock = 5;
  /** The functions that ran, in order. */
  readonly ran: string[] = [];

  readonly state = () => {
    const { orders, parcels, balance, held, stock } = this;
    return { orders, parcels, balance, held, stock };
  };

  readonly components = {
    order: {
      action: ({ gid, payload }: TestCall<Order>): Placed => {
        this.ran.push('order');
        const orderId = `o-${gid}`;
        this.orders.set(orderId, payload);
        return { orderId };
      },
      compensate: ({ gid }: TestCall<Order, Placed>): void => {
        this.ran.push('order undone');
        this.orders.delete(`o-${gid}`);
      },
    },
    payment: {
      action: async ({ payload: { amount } }: TestCall<Payment>) => {
        this.ran.push('payment');
        if (amount > this.balance) throw new Refused('not enough money');
        this.balance -= amount;
        return { paid: amount };
      },
      compensate: async ({ payload: { amount } }: TestCall<Payment>): Promise<void> => {
        this.ran.push('payment undone');
        this.balance += amount;
      },
    },
    shipment: {
      action: ({ payload: { orderId } }: TestCall<Placed>): void => {
        this.ran.push('shipment');
        this.parcels.add(orderId);
      },
      compensate: ({ payload: { orderId } }: TestCall<Placed>): void => {
        this.ran.push('shipment undone');
        this.parcels.delete(orderId);
      },
    },
    wallet: {
      try: ({ payload: { amount } }: TestCall<{ amount: number }>) => {
        this.ran.push('try');
        this.held.wallet += amount;
        return { held: amount };
      },
      confirm: ({ payload: { amount } }: TestCall<{ amount: number }>): void => {
        this.ran.push('confirm');
        this.held.wallet -= amount;
        this.balance -= amount;
      },
      cancel: ({ payload: { amount } }: TestCall<{ amount: number }>): void => {
        this.ran.push('cancel');
        this.held.wallet -= amount;
      },
    },
    stock: {
      try: ({ payload: { amount } }: TestCall<{ amount: number }>): void => {
        this.held.stock += amount;
      },
      confirm: ({ payload: { amount } }: TestCall<{ amount: number }>): void => {
        this.held.stock -= amount;
        this.stock -= amount;
      },
      cancel: ({ payload: { amount } }: TestCall<{ amount: number }>): void => {
        this.held.stock -= amount;
      },
    },
  };
}
