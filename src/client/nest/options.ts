/** What TercetModule is told. */
import type { InjectionToken } from '@nestjs/common';
import type { ClientOptions } from '../transport.js';

export interface TercetOptions extends ClientOptions {
  /**
   * Where the coordinator reaches this instance of the application, a pod's own address for example; default:
   * http://127.0.0.1 and the port that it listens on. The application's global prefix is added.
   */
  publicUrl?: string;
  /**
   * Name of this instance; default: host name, port and something random, so that no two are the same. With `false` it
   * does not beat, and the coordinator calls `publicUrl` alone: for a load balancer that knows by itself who is alive.
   */
  instance?: string | false;
  /**
   * The coordinator leaves this instance out when it has not heard from it for so long, in ms; default 15000, from 1000
   * to 3600000. A heartbeat goes out three times as often.
   */
  instanceTtlMs?: number;
  /**
   * Name of the component that messages of this application come from, which is asked what became of them: `Messages` can
   * then be injected. Nothing else is needed; a provider with `@MessageComponent` of this name may say more. Default: the
   * only `@MessageComponent` there is.
   */
  messages?: string;
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
