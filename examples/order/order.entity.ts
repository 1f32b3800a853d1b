import { Column, Entity, PrimaryColumn } from 'typeorm';

export type OrderState = 'pending' | 'placed' | 'refused';

@Entity('purchase')
export class Order {
  @PrimaryColumn({ name: 'order_id', type: 'varchar' })
  orderId!: string;

  @Column({ type: 'varchar' })
  customer!: string;

  @Column({ type: 'varchar' })
  sku!: string;

  @Column({ type: 'integer' })
  quantity!: number;

  /** In cents. */
  @Column({ type: 'integer' })
  total!: number;

  /** Null: the customer fetches it. */
  @Column({ name: 'ship_to', type: 'varchar', nullable: true })
  shipTo!: string | null;

  @Column({ type: 'varchar' })
  state!: OrderState;

  @Column({ name: 'is_paid', type: 'boolean' })
  isPaid!: boolean;
}
