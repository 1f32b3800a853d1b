import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity()
export class Account {
  @PrimaryColumn({ type: 'varchar' })
  id!: string;

  /** In cents. */
  @Column({ type: 'integer' })
  balance!: number;

  /** The part of the balance that is promised to orders which are not decided yet, in cents. */
  @Column({ type: 'integer', default: 0 })
  held!: number;
}
