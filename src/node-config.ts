/** The configuration center of a node: what is asked for over HTTP, and what wakes those who wait for a change. */
import type { BuiltIn } from './config-center/parts.js';
import { ConfigCenter } from './config-center/center.js';
import type { MasterKeys } from './config-center/master-keys.js';
import { ConfigStates } from './config-center/states.js';
import { ConfigWakes } from './config-center/wakes.js';
import type { Clock, Logger } from './engine/ports.js';
import { ConfigValues } from './http/config-values.js';
import { RolloutWatch } from './http/rollout-watch.js';
import type { LockStore } from './locks/lock.js';
import { Database } from './storage/database.js';

export interface NodeConfigParts {
  readonly url: string;
  readonly leaseMs: number;
  /** Null: secrets are refused. */
  readonly keys: MasterKeys | null;
  /** The word of a change goes through the first; empty: through PostgreSQL. */
  readonly redisUrls: readonly string[];
  /** Edit locks are in it. */
  readonly locks: LockStore<'correctness'>;
  /** By `environment/namespace`. */
  readonly builtIn: ReadonlyMap<string, BuiltIn>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface NodeConfig {
  readonly center: ConfigCenter;
  readonly states: ConfigStates;
  readonly values: ConfigValues;
  readonly rollouts: RolloutWatch;
  /** Whoever waits is answered with what is known. */
  endWaiting(): void;
  close(): Promise<void>;
}

export async function openConfig(parts: NodeConfigParts): Promise<NodeConfig> {
  const { url, leaseMs, keys, locks, builtIn, clock, logger } = parts;
  const [server] = parts.redisUrls;
  // Loaded late: most run without.
  const redis = server === undefined ? null : (await import('./redis.js')).redisOf(server);
  const wakes = new ConfigWakes(url, redis, logger);
  const database = new Database({ url, leaseMs, connections: 4 }, logger);
  const states = new ConfigStates({ database, wakeups: wakes, clock, logger });
  const changed = (environment: string): void => wakes.tell(environment);
  const center = new ConfigCenter({ database, locks, keys, builtIn, leaseMs, clock, logger, changed });
  const reveal: ConfigCenter['reveal'] = (...asked) => center.reveal(...asked);
  const values = new ConfigValues({ states, reveal, clock });
  const rollouts = new RolloutWatch(center, clock);
  return {
    center,
    states,
    values,
    rollouts,
    endWaiting: () => {
      values.close();
      rollouts.close();
    },
    close: async () => {
      states.close();
      await wakes.close();
      await database.close();
    },
  };
}
