/** Places orders: everything that must happen together is one begin, of a TCC or, if the order is sent, of a saga. */
import {
  BadRequestException,
  ConflictException,
  Inject,
  Injectable,
  ServiceUnavailableException,
} from '@nestjs/common';
import { TercetClient, TercetError, TercetUnreachable } from '@tercet/client';
import type { TransactionView } from '@tercet/client';
import { TercetConfig } from '@tercet/client/config';
import { DataSource } from 'typeorm';
import type { OrderConfig } from './limits.js';
import type { Purchase } from './order.component.js';
import { Order } from './order.entity.js';
import { placeOrder } from './place-order.js';

export interface OrderRequest {
  /** Chosen by the customer's side: asking again with the same one never orders twice. */
  orderId: string;
  customer: string;
  sku: string;
  quantity: number;
  /** The city that it is sent to; null: the customer fetches it. */
  shipTo: string | null;
}

export interface OrderAnswer {
  orderId: string;
  state: 'placed' | 'refused';
  /** Why it was refused; null if it was not. */
  reason: string | null;
}

const INVENTORY_URL = process.env['INVENTORY_URL'] ?? 'http://127.0.0.1:3003';
const PRICE_TIMEOUT_MS = 3000;

@Injectable()
export class Orders {
  constructor(
    private readonly tercet: TercetClient,
    private readonly dataSource: DataSource,
    @Inject(TercetConfig) private readonly config: OrderConfig,
  ) {}

  async place(request: OrderRequest): Promise<OrderAnswer> {
    const { orderId, ...rest } = request;
    const purchase: Purchase = { ...rest, total: await this.totalOf(request) };
    const transaction = await this.begin(orderId, purchase, this.config.get('order').deadlineMs);
    if (transaction.decision === null) throw undecided(orderId);
    return {
      orderId,
      state: transaction.decision === 'commit' ? 'placed' : 'refused',
      reason: transaction.reason?.detail ?? transaction.reason?.kind ?? null,
    };
  }

  list(): Promise<Order[]> {
    return this.dataSource.getRepository(Order).find({ order: { orderId: 'ASC' } });
  }

  find(orderId: string): Promise<Order | null> {
    return this.dataSource.getRepository(Order).findOneBy({ orderId });
  }

  private async begin(orderId: string, purchase: Purchase, deadlineMs: number): Promise<TransactionView> {
    const { customer, sku, quantity, total, shipTo } = purchase;
    const order = { gid: orderId, businessKey: customer, deadlineMs };
    try {
      if (shipTo !== null) return (await placeOrder.run(this.tercet, { ...purchase, shipTo }, order)).transaction;
      return await this.tercet.begin({
        ...order,
        branches: [
          { branchId: 'order', component: 'order', payload: purchase },
          { branchId: 'account', component: 'account', payload: { customer, amount: total } },
          { branchId: 'inventory', component: 'inventory', payload: { sku, quantity } },
        ],
      });
    } catch (error) {
      if (error instanceof TercetUnreachable) throw undecided(orderId);
      if (!(error instanceof TercetError)) throw error;
      if (error.code === 'TERCET_GID_CONFLICT') {
        const begunMs = await this.deadlineOf(orderId);
        if (begunMs > 0 && begunMs !== deadlineMs) return this.begin(orderId, purchase, begunMs);
        throw new ConflictException(`order '${orderId}' was another order`);
      }
      throw undecided(orderId, error.detail);
    }
  }

  /** That of an order that was begun, in ms: asked again after another release, it is still the same order. */
  private async deadlineOf(orderId: string): Promise<number> {
    const { beganAt, deadlineAt } = await this.tercet.get(orderId).catch(() => {
      throw undecided(orderId);
    });
    return Date.parse(deadlineAt ?? '') - Date.parse(beganAt);
  }

  /** In cents. An order that is known keeps its price. */
  private async totalOf({ orderId, sku, quantity }: OrderRequest): Promise<number> {
    const known = await this.find(orderId);
    if (known) return known.total;
    const url = `${INVENTORY_URL}/items/${encodeURIComponent(sku)}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(PRICE_TIMEOUT_MS) }).catch((cause: unknown) => {
      throw new ServiceUnavailableException('the inventory cannot be asked for the price', { cause });
    });
    if (response.status === 404) throw new BadRequestException(`no item '${sku}'`);
    if (!response.ok) throw new ServiceUnavailableException('the inventory does not tell the price');
    const { price } = (await response.json()) as { price: number };
    return price * quantity;
  }
}

/** It may yet be placed or refused: nobody may guess. */
function undecided(orderId: string, detail = 'it is not known yet what becomes of it'): ServiceUnavailableException {
  return new ServiceUnavailableException(`order '${orderId}': ${detail}; ask again with the same orderId`);
}
