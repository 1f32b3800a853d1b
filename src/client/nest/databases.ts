/** The database that each component works on. */
import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { DataSource } from 'typeorm';
import type { FoundComponent } from './components.js';
import { OPTIONS } from './options.js';
import type { TercetOptions } from './options.js';

@Injectable()
export class Databases {
  constructor(
    @Inject(OPTIONS) private readonly options: TercetOptions,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /** @throws Error when there is none */
  of({ name, options }: FoundComponent): DataSource {
    const token = options.dataSource ?? this.options.dataSource ?? DataSource;
    try {
      return this.moduleRef.get<DataSource>(token, { strict: false });
    } catch (cause) {
      const called = typeof token === 'function' ? token.name : String(token);
      const what = `component '${name}': no provider is the DataSource '${called}'`;
      throw new Error(`${what}; import TypeOrmModule.forRoot, or name yours with the option dataSource`, { cause });
    }
  }
}
