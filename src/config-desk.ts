/** The configuration center as a node offers it over HTTP. */
import { COORDINATOR_CONTENT } from './steering/content.js';
import { ENVIRONMENT, NAMESPACE } from './steering/node-config.js';
import { ConfigCenter } from './config-center/center.js';
import type { MasterKeys } from './config-center/master-keys.js';
import type { Clock, Logger } from './engine/ports.js';
import { ConfigValues } from './http/config-values.js';
import { RolloutWatch } from './http/rollout-watch.js';
import type { LockStore } from './locks/lock.js';
import type { StartedConfig } from './node-config.js';

export interface ConfigDeskParts {
  readonly leaseMs: number;
  /** Null: secrets are refused. */
  readonly keys: MasterKeys | null;
  /** Edit locks are in it. */
  readonly locks: LockStore<'correctness'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ConfigDesk {
  readonly center: ConfigCenter;
  readonly values: ConfigValues;
  readonly rollouts: RolloutWatch;
  /** Whoever waits is answered with what is known. */
  endWaiting(): void;
}

export function configDesk(started: StartedConfig, parts: ConfigDeskParts): ConfigDesk {
  const { database, states } = started;
  const changed = (environment: string): void => started.changed(environment);
  const builtIn = new Map([[`${ENVIRONMENT}/${NAMESPACE}`, COORDINATOR_CONTENT]]);
  const center = new ConfigCenter({ ...parts, database, changed, builtIn });
  const reveal: ConfigCenter['reveal'] = (...asked) => center.reveal(...asked);
  const values = new ConfigValues({ states, reveal, clock: parts.clock });
  const rollouts = new RolloutWatch(center, parts.clock);
  const endWaiting = (): void => {
    values.close();
    rollouts.close();
  };
  return { center, values, rollouts, endWaiting };
}
