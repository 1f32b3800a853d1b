/**
 * An order that is sent is a saga: nobody can hold a courier, so each step takes effect at once, and what was done is
 * undone if a later step says no.
 *
 *                ┌─▶ payment ─┐
 *   order ───────┤            ├──▶ shipment ──▶ approval
 *                └─▶ goods ───┘
 */
import type { SagaBeginRequest } from '@tercet/client';
import type { Purchase } from './order.component.js';

export function placeOrder(purchase: Purchase): Pick<SagaBeginRequest, 'mode' | 'branches'> {
  const { customer, sku, quantity, total, shipTo } = purchase;
  return {
    mode: 'saga',
    branches: [
      { branchId: 'order', component: 'purchase', payload: purchase, after: [] },
      { branchId: 'payment', component: 'payment', payload: { customer, amount: total }, after: ['order'] },
      { branchId: 'goods', component: 'goods', payload: { sku, quantity }, after: ['order'] },
      {
        branchId: 'shipment',
        component: 'shipment',
        payload: { city: shipTo, receipt: { $reply: 'payment#/receipt' } },
        after: ['payment', 'goods'],
        // Once the courier is booked, there is no way back.
        pivot: true,
      },
      { branchId: 'approval', component: 'approval', after: ['shipment'], compensate: false },
    ],
  };
}
