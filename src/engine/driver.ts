/** All the drives of this node, by gid: one for a transaction, never two. */
import { isEnded } from '../domain/transaction.js';
import { Drive } from './drive.js';
import type { DriveParts } from './drive.js';
import type { Held } from './ports.js';

/** Pause before a drive that met a defect is looked at again. */
const DEFECT_PAUSE_MS = 5000;

export class Driver {
  private readonly drives = new Map<string, Drive>();
  private idle: (() => void)[] = [];
  private isReleasing = false;

  constructor(private readonly parts: DriveParts) {}

  get size(): number {
    return this.drives.size;
  }

  get(gid: string): Drive | undefined {
    return this.drives.get(gid);
  }

  /** Drives a transaction that this node owns, from the state given; a drive that is there goes on from it. */
  drive(held: Held): void {
    if (!this.parts.membership.owns(held.owner)) return;
    const there = this.drives.get(held.tx.gid);
    if (there) return there.adopt(held);
    if (isEnded(held.tx)) return;
    const drive = new Drive(held, this.parts);
    this.drives.set(held.tx.gid, drive);
    if (this.isReleasing) drive.release();
    drive.run().then(
      () => this.remove(drive),
      (defect: unknown) => {
        this.parts.logger.error({ gid: held.tx.gid, error: defect }, 'defect in a drive; it is looked at again later');
        this.remove(drive);
        this.parts.clock.after(DEFECT_PAUSE_MS, () => this.drive(drive.saved));
      },
    );
  }

  /** The lease is lost: nothing more leaves for any of them. */
  stopAll(): void {
    const all = [...this.drives.values()];
    this.drives.clear();
    for (const drive of all) drive.stop();
    this.tellIdle();
  }

  /** Resolves when every drive has come to a point where it would only wait. */
  async release(): Promise<void> {
    this.isReleasing = true;
    for (const drive of this.drives.values()) drive.release();
    if (this.drives.size > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  private remove(drive: Drive): void {
    const { gid } = drive.saved.tx;
    if (this.drives.get(gid) === drive) this.drives.delete(gid);
    if (this.drives.size === 0) this.tellIdle();
  }

  private tellIdle(): void {
    for (const resolve of this.idle.splice(0)) resolve();
  }
}
