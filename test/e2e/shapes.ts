/** The same purchase as transactions of different shapes: what each is begun with, and what it does on its way. */
import { placeOrder } from '../../examples/order/place-order.js';
import type { ServiceName } from '../../examples/scenarios/shop.js';
import type { BranchState, SagaBeginRequest, TccBeginRequest } from '../../src/client/index.js';
import type { Op } from '../../src/protocol/words.js';
import type { Write } from './road.js';

export const OUTCOMES = ['committed', 'aborted'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const BEFORE = { balance: 1000, stock: 5 };
export const AMOUNT = 300;
/** An aborted one asks for more than there is, or for a courier who does not come: the last service refuses. */
const QUANTITY = { tcc: { committed: 2, aborted: 9 }, saga: { committed: 2, aborted: 2 } } as const;
const SHIP_TO = { committed: 'Oslo', aborted: 'Atlantis' } as const;

interface Called {
  readonly service: ServiceName;
  readonly branchId: string;
  readonly op: Op;
}

export interface Shape {
  readonly name: string;
  /** What it is begun with, beside its gid. Account and item have the name of the purchase. */
  begin(name: string, outcome: Outcome): TccBeginRequest | SagaBeginRequest;
  readonly calls: Readonly<Record<Outcome, readonly Called[]>>;
  /** In which branches may be at the end. */
  readonly states: Readonly<Record<Outcome, readonly BranchState[]>>;
  /** Those of its durable writes that no other shape makes in the same way. */
  readonly writes: Readonly<Record<Outcome, readonly Write[]>>;
  /** The write before which nobody may hear of the decision; null: it is decided from its begin. */
  readonly decidedBy: Readonly<Record<Outcome, Write>> | null;
  /** Goods that leave the stock when it is committed. */
  readonly sold: number;
  /** Whether there is an order, and a parcel, of a committed one. */
  readonly isWritten: boolean;
  readonly isSent: boolean;
}

const SERVICE = {
  order: 'order',
  account: 'account',
  inventory: 'inventory',
  payment: 'account',
  goods: 'inventory',
  shipment: 'inventory',
  approval: 'order',
} as const satisfies Record<string, ServiceName>;
type BranchId = keyof typeof SERVICE;

const calls = (op: Op, ...branchIds: BranchId[]): Called[] =>
  branchIds.map((branchId) => ({ service: SERVICE[branchId], branchId, op }));

const purchaseOf = <T>(name: string, quantity: number, shipTo: T) =>
  ({ customer: name, sku: name, quantity, total: AMOUNT, shipTo }) as const;

export const TCC: Shape = {
  name: 'a TCC',
  begin(name, outcome) {
    const quantity = QUANTITY.tcc[outcome];
    return {
      mode: 'tcc',
      branches: [
        { branchId: 'order', component: 'order', payload: purchaseOf(name, quantity, null) },
        { branchId: 'account', component: 'account', payload: { customer: name, amount: AMOUNT } },
        { branchId: 'inventory', component: 'inventory', payload: { sku: name, quantity } },
      ],
    };
  },
  calls: {
    committed: [...calls('try', 'order', 'account', 'inventory'), ...calls('confirm', 'order', 'account', 'inventory')],
    aborted: [...calls('try', 'order', 'account', 'inventory'), ...calls('cancel', 'order', 'account', 'inventory')],
  },
  states: { committed: ['confirmed'], aborted: ['cancelled'] },
  writes: { committed: ['begin', 'decision', 'end'], aborted: ['begin', 'decision', 'end'] },
  decidedBy: { committed: 'decision', aborted: 'decision' },
  sold: QUANTITY.tcc.committed,
  isWritten: true,
  isSent: false,
};

/** Three branches, each after the one before. */
const inOrder = (name: string, outcome: Outcome): SagaBeginRequest => ({
  mode: 'saga',
  branches: [
    { branchId: 'payment', component: 'payment', payload: { customer: name, amount: AMOUNT } },
    { branchId: 'goods', component: 'goods', payload: { sku: name, quantity: QUANTITY.saga[outcome] } },
    {
      branchId: 'shipment',
      component: 'shipment',
      payload: { city: SHIP_TO[outcome], receipt: { $reply: 'payment#/receipt' } },
    },
  ],
});

export const ORDERED: Shape = {
  name: 'an ordered saga',
  begin: inOrder,
  calls: {
    committed: calls('action', 'payment', 'goods', 'shipment'),
    aborted: [
      ...calls('action', 'payment', 'goods', 'shipment'),
      ...calls('compensate', 'shipment', 'goods', 'payment'),
    ],
  },
  states: { committed: ['done'], aborted: ['compensated', 'waiting'] },
  writes: { committed: ['end'], aborted: ['begin', 'save 1', 'save 2', 'decision', 'save 4', 'save 5', 'end'] },
  decidedBy: { committed: 'end', aborted: 'decision' },
  sold: QUANTITY.saga.committed,
  isWritten: false,
  isSent: true,
};

/** The sample's own: two branches side by side, a pivot, and one behind it. */
export const GRAPH: Shape = {
  name: 'a graph with a pivot',
  begin: (name, outcome) => placeOrder.request(purchaseOf(name, QUANTITY.saga[outcome], SHIP_TO[outcome])),
  calls: {
    committed: calls('action', 'order', 'payment', 'goods', 'shipment', 'approval'),
    aborted: [
      ...calls('action', 'order', 'payment', 'goods', 'shipment'),
      ...calls('compensate', 'shipment', 'goods', 'payment', 'order'),
    ],
  },
  states: ORDERED.states,
  // Two are started, are to be undone, and are undone.
  writes: { committed: ['decision', 'end'], aborted: ['save 1', 'save 4', 'save 5'] },
  decidedBy: { committed: 'decision', aborted: 'decision' },
  sold: QUANTITY.saga.committed,
  isWritten: true,
  isSent: true,
};

/** Decided from the begin. */
export const FORWARD: Shape = {
  ...ORDERED,
  name: 'a saga that recovers forward',
  begin: (name, outcome): SagaBeginRequest => ({ ...inOrder(name, outcome), recovery: 'forward' }),
  calls: { committed: ORDERED.calls.committed, aborted: [] },
  writes: { committed: ['begin', 'save 1', 'end'], aborted: [] },
  decidedBy: null,
};
