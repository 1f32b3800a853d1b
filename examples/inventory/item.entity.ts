import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity()
export class Item {
  @PrimaryColumn({ type: 'varchar' })
  sku!: string;

  @Column({ type: 'integer' })
  stock!: number;

  /** The part of the stock that is promised to orders which are not decided yet. */
  @Column({ type: 'integer', default: 0 })
  reserved!: number;

  /** In cents. */
  @Column({ type: 'integer' })
  price!: number;
}
