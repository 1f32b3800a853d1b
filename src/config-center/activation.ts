/**
 * A strict release as one coordinator takes part in it: it says that it is ready, and then anybody puts it in force. All
 * of that is decided in the database (migrations/0009-configuration.ts); whoever dies in between leaves nothing open.
 */
import type { Database } from '../storage/database.js';
import { flushLockMs, isLockWait } from '../storage/database.js';

/** `waiting`: for somebody's answer, or for what is under way to be committed; `over`: it was decided before. */
export type Finished = 'waiting' | 'done' | 'aborted' | 'over';

/** What is under way when it switches is waited for so long at a time, ms: meanwhile nobody begins anything. */
const LOCK_MS = 100;

/** Once it is decided nobody is asked any more; a member that was declared dead has nothing to say. */
const ACKNOWLEDGE = `
  INSERT INTO tercet.config_ack (rollout, member, is_ready, why)
  SELECT r.id, m.id, $3::text IS NULL, $3 FROM tercet.config_rollout r, tercet.member m
   WHERE r.id = $1 AND r.state = 'preparing' AND m.id = $2 AND NOT m.dead
      ON CONFLICT (rollout, member) DO NOTHING`;

export class Activation {
  private readonly lockMs: number;

  constructor(
    private readonly database: Database,
    leaseMs: number,
  ) {
    // Shorter than a flush waits before it is taken apart.
    this.lockMs = Math.min(LOCK_MS, Math.floor(flushLockMs(leaseMs) / 2));
  }

  /**
   * What counts is what a member said first.
   *
   * @param why it cannot take the release; null: it has all built, and will go by it from the switch on
   * @throws LogUnavailable, LogOutcomeUnknown: say it again
   */
  async acknowledge(rollout: number, member: string, why: string | null): Promise<void> {
    await this.database.write({ text: ACKNOWLEDGE, values: [rollout, member, why] });
  }

  /** Puts it in force, or ends it, if that can be done now. Call it again while it waits. @throws LogUnavailable, LogOutcomeUnknown */
  async finish(rollout: number): Promise<Finished> {
    try {
      const [row] = await this.database.write<{ result: Finished }>({
        text: 'SELECT tercet.finish_rollout($1, $2) AS result',
        values: [rollout, this.lockMs],
      });
      return row?.result ?? 'over';
    } catch (error) {
      if (isLockWait(error)) return 'waiting';
      throw error;
    }
  }
}
