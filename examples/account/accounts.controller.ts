/** The service's own API, which knows nothing of transactions. */
import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { Account } from './account.entity.js';

const NewAccount = z.strictObject({ id: z.string().min(1).max(100), balance: z.int32().min(0) });

@Controller('accounts')
export class AccountsController {
  constructor(private readonly dataSource: DataSource) {}

  /** Opens an account; one that is there stays as it is. */
  @Post()
  @HttpCode(200)
  async open(@Body({ schema: NewAccount }) account: z.infer<typeof NewAccount>): Promise<Account> {
    const accounts = this.dataSource.getRepository(Account);
    await accounts.createQueryBuilder().insert().values(account).orIgnore().execute();
    return accounts.findOneByOrFail({ id: account.id });
  }

  @Get()
  list(): Promise<Account[]> {
    return this.dataSource.getRepository(Account).find({ order: { id: 'ASC' } });
  }
}
