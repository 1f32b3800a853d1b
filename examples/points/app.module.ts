import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TercetFence1763683200000 } from '@tercet/client';
import { TercetInbox1763769600000 } from '@tercet/client/kafka';
import { TercetModule } from '@tercet/client/nest';
import { MailComponent } from './mail.component.js';
import { CreatePoints1795305600000 } from './migration.js';
import { PointsComponent } from './points.component.js';
import { PointsController } from './points.controller.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env['DATABASE_URL'] ?? 'postgres://localhost/points',
      // Of what comes by HTTP the fence remembers that it was taken, of what comes from Kafka the inbox.
      migrations: [TercetFence1763683200000, TercetInbox1763769600000, CreatePoints1795305600000],
      migrationsRun: true,
    }),
    TercetModule.forRoot({
      ...(process.env['PUBLIC_URL'] === undefined ? {} : { publicUrl: process.env['PUBLIC_URL'] }),
    }),
  ],
  controllers: [PointsController],
  providers: [PointsComponent, MailComponent],
})
export class AppModule {}
