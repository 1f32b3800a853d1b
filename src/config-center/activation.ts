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

/** Such as nobody could take part in, because nobody can read it. */
const FINISH_OVERDUE = `
  SELECT tercet.finish_rollout(id, $1) AS result FROM tercet.config_rollout
   WHERE state = 'preparing' AND deadline_at < clock_timestamp()`;

/** Once it is decided nobody is asked any more; a member that was declared dead has nothing to say. */
const ACKNOWLEDGE = `
  INSERT INTO tercet.config_ack (rollout, member, is_ready, why)
  SELECT r.id, m.id, $3::text IS NULL, $3 FROM tercet.config_rollout r, tercet.member m
   WHERE r.id = $1 AND r.state = 'preparing' AND m.id = $2 AND NOT m.dead
      ON CONFLICT (rollout, member) DO NOTHING`;

export class Activation {
  private readonly lockMs: number;

  /** @param changed told when this node has decided one */
  constructor(
    private readonly database: Database,
    leaseMs: number,
    private readonly changed: () => void = () => undefined,
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
    return this.finished('SELECT tercet.finish_rollout($1, $2) AS result', [rollout, this.lockMs]);
  }

  /** Ends whatever is past its deadline. @throws as {@link finish} */
  async finishOverdue(): Promise<void> {
    await this.finished(FINISH_OVERDUE, [this.lockMs]);
  }

  private async finished(text: string, values: unknown[]): Promise<Finished> {
    try {
      const [row] = await this.database.write<{ result: Finished }>({ text, values });
      const result = row?.result ?? 'over';
      if (result === 'done' || result === 'aborted') this.changed();
      return result;
    } catch (error) {
      if (isLockWait(error)) return 'waiting';
      throw error;
    }
  }
}
