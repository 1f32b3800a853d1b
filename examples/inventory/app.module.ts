import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TercetFence1763683200000 } from '@tercet/client';
import { TercetModule } from '@tercet/client/nest';
import { InventoryComponent } from './inventory.component.js';
import { Item } from './item.entity.js';
import { ItemsController } from './items.controller.js';
import { CreateItem1763683200001 } from './migration.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env['DATABASE_URL'] ?? 'postgres://localhost/inventory',
      entities: [Item],
      // The fence's tables beside the service's own: both are written in one transaction.
      migrations: [TercetFence1763683200000, CreateItem1763683200001],
      migrationsRun: true,
    }),
    TercetModule.forRoot({
      ...(process.env['PUBLIC_URL'] === undefined ? {} : { publicUrl: process.env['PUBLIC_URL'] }),
    }),
  ],
  controllers: [ItemsController],
  providers: [InventoryComponent],
})
export class AppModule {}
