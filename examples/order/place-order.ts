/**
 * An order that is sent is a saga: nobody can hold a courier, so each step takes effect at once, and what was done is
 * undone if a later step says no.
 *
 *              ┌─▶ payment ─┐
 *   order ─────┤            ├──▶ shipment ──▶ approval
 *              └─▶ goods ───┘
 */
import { saga, sagaComponent } from '@tercet/client';
import type { Purchase } from './order.component.js';

/** What the components take, and what they answer where a later step needs it. */
const purchase = sagaComponent<Purchase>('purchase');
const payment = sagaComponent<{ customer: string; amount: number }, { receipt: string }>('payment');
const goods = sagaComponent<{ sku: string; quantity: number }>('goods');
const shipment = sagaComponent<{ city: string; receipt: string }>('shipment');
const approval = sagaComponent<null>('approval');

export const placeOrder = saga<Purchase & { shipTo: string }>('place-order')
  .step('order', purchase, ({ input }) => input)
  .step('payment', payment, ({ input: { customer, total } }) => ({ customer, amount: total }))
  // Beside the payment, not after it.
  .step('goods', goods, ({ input: { sku, quantity } }) => ({ sku, quantity }), { after: ['order'] })
  // Once the courier is booked, there is no way back.
  .step('shipment', shipment, ({ input, reply }) => ({ city: input.shipTo, receipt: reply.payment.receipt }), {
    after: ['payment', 'goods'],
    pivot: true,
  })
  .step('approval', approval, () => null);
