/** What the configuration center is made of. */
import type { Clock, Logger } from '../engine/ports.js';
import type { LockStore } from '../locks/lock.js';
import type { ConfigContent } from '../protocol/config.js';
import type { FieldError } from '../protocol/errors.js';
import type { Json } from '../protocol/words.js';
import type { Database } from '../storage/database.js';
import type { MasterKeys } from './master-keys.js';

/** A namespace whose contents the code itself reads: what fits is the code's to say. */
export interface BuiltIn {
  readonly schema: Json;
  /** What is wrong with it, by JSON pointer; it never names a value. */
  check(content: ConfigContent): FieldError[];
}

export interface CenterParts {
  readonly database: Database;
  /** Edit locks are in it. */
  readonly locks: LockStore<'correctness'>;
  /** Null: secrets are refused, and those that are there stay sealed. */
  readonly keys: MasterKeys | null;
  /** By `environment/namespace`. */
  readonly builtIn: ReadonlyMap<string, BuiltIn>;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told after each commit that changes what somebody may get, or a rollout. It must not throw. */
  changed(environment: string): void;
}
