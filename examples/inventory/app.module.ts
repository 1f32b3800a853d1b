import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TercetFence1763683200000 } from '@tercet/client';
import { TercetConfigModule, TercetModule } from '@tercet/client/nest';
import { GoodsComponent } from './goods.component.js';
import { InventoryComponent } from './inventory.component.js';
import { Item } from './item.entity.js';
import { ItemsController } from './items.controller.js';
import { CONFIG } from './limits.js';
import { CreateItem1763683200001, CreateShipment1795219200000 } from './migration.js';
import { ShipmentComponent } from './shipment.component.js';
import { Shipment } from './shipment.entity.js';
import { ShipmentsController } from './shipments.controller.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env['DATABASE_URL'] ?? 'postgres://localhost/inventory',
      entities: [Item, Shipment],
      // The fence's tables beside the service's own: both are written in one transaction.
      migrations: [TercetFence1763683200000, CreateItem1763683200001, CreateShipment1795219200000],
      migrationsRun: true,
    }),
    TercetConfigModule.forRoot(CONFIG),
    TercetModule.forRoot({
      ...(process.env['PUBLIC_URL'] === undefined ? {} : { publicUrl: process.env['PUBLIC_URL'] }),
    }),
  ],
  controllers: [ItemsController, ShipmentsController],
  providers: [InventoryComponent, GoodsComponent, ShipmentComponent],
})
export class AppModule {}
