/** What TercetModule is told. */
import type { InjectionToken } from '@nestjs/common';
import type { ClientOptions } from '../transport.js';

export interface TercetOptions extends ClientOptions {
  /**
   * Where the coordinator reaches this application; default: http://127.0.0.1 and the port that it listens on. The
   * application's global prefix is added.
   */
  publicUrl?: string;
  /** Token of the TypeORM DataSource that components open their transactions on; default: the DataSource class. */
  dataSource?: InjectionToken;
}

export const OPTIONS = Symbol('TercetOptions');
