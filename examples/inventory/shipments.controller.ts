import { Controller, Get } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Shipment } from './shipment.entity.js';

@Controller('shipments')
export class ShipmentsController {
  constructor(private readonly dataSource: DataSource) {}

  @Get()
  list(): Promise<Shipment[]> {
    return this.dataSource.getRepository(Shipment).find({ order: { orderId: 'ASC' } });
  }
}
