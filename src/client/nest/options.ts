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
  /**
   * Calls that were not signed with it are refused: the coordinator's TERCET_SIGNING_SECRET; two between a comma while
   * one takes the other's place. Default: TERCET_SIGNING_SECRET, or none, and then nothing is checked.
   */
  signingSecret?: string;
  /** How old a signed call may be, and how far ahead the coordinator's clock, in ms; default 300000. */
  signatureToleranceMs?: number;
}

export const OPTIONS = Symbol('TercetOptions');
