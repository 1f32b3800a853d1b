import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TercetFence1763683200000 } from '@tercet/client';
import { TercetConfigModule, TercetModule } from '@tercet/client/nest';
import { Bills } from './bills.js';
import { CONFIG } from './limits.js';
import { AddIsPaid1795305600000, AddShipTo1795219200000, CreateOrder1763683200001 } from './migration.js';
import { OrderComponent } from './order.component.js';
import { Order } from './order.entity.js';
import { OrdersController } from './orders.controller.js';
import { Orders } from './orders.js';
import { ApprovalComponent, PurchaseComponent } from './purchase.component.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env['DATABASE_URL'] ?? 'postgres://localhost/order',
      entities: [Order],
      // The fence's tables beside the service's own: both are written in one transaction.
      migrations: [TercetFence1763683200000, CreateOrder1763683200001, AddShipTo1795219200000, AddIsPaid1795305600000],
      migrationsRun: true,
    }),
    TercetConfigModule.forRoot(CONFIG),
    TercetModule.forRoot({
      ...(process.env['PUBLIC_URL'] === undefined ? {} : { publicUrl: process.env['PUBLIC_URL'] }),
    }),
  ],
  controllers: [OrdersController],
  providers: [Orders, Bills, OrderComponent, PurchaseComponent, ApprovalComponent],
})
export class AppModule {}
