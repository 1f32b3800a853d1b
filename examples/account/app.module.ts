import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TercetFence1763683200000 } from '@tercet/client';
import { TercetConfigModule, TercetModule } from '@tercet/client/nest';
import { AccountComponent } from './account.component.js';
import { Account } from './account.entity.js';
import { AccountsController } from './accounts.controller.js';
import { CONFIG } from './limits.js';
import { CreateAccount1763683200001 } from './migration.js';
import { PaymentComponent } from './payment.component.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env['DATABASE_URL'] ?? 'postgres://localhost/account',
      entities: [Account],
      // The fence's tables beside the service's own: both are written in one transaction.
      migrations: [TercetFence1763683200000, CreateAccount1763683200001],
      migrationsRun: true,
    }),
    TercetConfigModule.forRoot(CONFIG),
    TercetModule.forRoot({
      ...(process.env['PUBLIC_URL'] === undefined ? {} : { publicUrl: process.env['PUBLIC_URL'] }),
    }),
  ],
  controllers: [AccountsController],
  providers: [AccountComponent, PaymentComponent],
})
export class AppModule {}
