import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity()
export class Shipment {
  @PrimaryColumn({ name: 'order_id', type: 'varchar' })
  orderId!: string;

  @Column({ type: 'varchar' })
  city!: string;

  /** That of the payment: the courier asks for it. */
  @Column({ type: 'varchar' })
  receipt!: string;
}
