/** What every drive of a node works with. */
import type { Membership } from './membership.js';
import type { Observers } from './observers.js';
import type { Clock, ComponentDirectory, Logger, Participants, Steering, TransactionLog } from './ports.js';

export interface DriveParts {
  readonly log: TransactionLog;
  readonly components: ComponentDirectory;
  readonly participants: Participants;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: string;
  readonly membership: Membership;
  readonly observers: Observers;
  readonly steering: Steering;
}
