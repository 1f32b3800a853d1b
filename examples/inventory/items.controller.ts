/** The service's own API, which knows nothing of transactions. */
import { Body, Controller, Get, HttpCode, NotFoundException, Param, Post } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { Item } from './item.entity.js';

const NewItem = z.strictObject({
  sku: z.string().min(1).max(100),
  stock: z.int32().min(0),
  price: z.int32().min(1),
});

@Controller('items')
export class ItemsController {
  constructor(private readonly dataSource: DataSource) {}

  /** Takes an item into the range; one that is there stays as it is. */
  @Post()
  @HttpCode(200)
  async add(@Body({ schema: NewItem }) item: z.infer<typeof NewItem>): Promise<Item> {
    const items = this.dataSource.getRepository(Item);
    await items.createQueryBuilder().insert().values(item).orIgnore().execute();
    return items.findOneByOrFail({ sku: item.sku });
  }

  @Get()
  list(): Promise<Item[]> {
    return this.dataSource.getRepository(Item).find({ order: { sku: 'ASC' } });
  }

  @Get(':sku')
  async show(@Param('sku') sku: string): Promise<Item> {
    const item = await this.dataSource.getRepository(Item).findOneBy({ sku });
    if (!item) throw new NotFoundException(`no item '${sku}'`);
    return item;
  }
}
