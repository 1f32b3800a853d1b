/** All the drives of this node, by gid: one for a transaction, never two. */
import { isEnded } from '../domain/transaction.js';
import { Drive } from './drive.js';
import type { DriveParts } from './drive-parts.js';
import type { Held } from './ports.js';
import { pause } from './waiting.js';

/** Pause before a drive that met a defect is looked at again. */
const DEFECT_PAUSE_MS = 5000;
/** Of all that may be under way, for those with a branch of one component: a service that is gone leaves room (G10). */
const SHARE_OF_ONE = 0.75;

/** A log that takes longer is away: whoever looks is told so by itself, and what is decided then is right all the same. */
const CATCH_UP_MS = 1000;

export class Driver {
  private readonly drives = new Map<string, Drive>();
  private readonly counts = new Map<string, number>();
  /** Versions at which drives ended that have more to do, once somebody lets them: what is older is not driven. */
  private readonly resting = new Map<string, number>();
  private idle: (() => void)[] = [];
  private isReleasing = false;
  private beginning = 0;

  constructor(private readonly parts: DriveParts) {}

  get size(): number {
    return this.drives.size;
  }

  get(gid: string): Drive | undefined {
    return this.drives.get(gid);
  }

  /** Whether it has nothing to compare with what the node owns. */
  get isEmpty(): boolean {
    return this.drives.size === 0 && this.resting.size === 0;
  }

  /**
   * Resolves once the log has all that was called here of a transaction, or is too slow: who looks at it, or orders
   * something of it, goes by the log.
   */
  async caughtUp(gid: string): Promise<void> {
    const drive = this.drives.get(gid);
    if (drive?.catchUp()) await pause(this.parts.clock, CATCH_UP_MS, drive.watch);
  }

  /** The drives of this moment. */
  all(): Drive[] {
    return [...this.drives.values()];
  }

  /** What is too many to take one more with these branches, in words; null: there is room. */
  tooMany(branches: readonly { component: string }[], max: number): string | null {
    const size = this.drives.size + this.beginning;
    const maxOfOne = Math.max(1, Math.floor(max * SHARE_OF_ONE));
    // The count of one is no larger than that of all.
    if (size < maxOfOne) return null;
    // What one has beyond its share was taken over, and is not held against the others. Of several, that of the one with
    // the most, for a transaction may be of all of them.
    const beyond = Math.max(0, Math.max(...this.counts.values()) - maxOfOne);
    if (size - beyond >= max) return `${size} transactions`;
    const crowded = branches.find(({ component }) => this.countOf(component) >= maxOfOne);
    return crowded ? `${this.countOf(crowded.component)} transactions of '${crowded.component}'` : null;
  }

  /** One that is being recorded counts, until the returned function is called: many may begin at once. */
  expect(): () => void {
    this.beginning += 1;
    return () => {
      this.beginning -= 1;
    };
  }

  /**
   * Drives a transaction that this node owns, from the state given; a drive that is there goes on from it.
   *
   * @param isNew whether nobody drove it before
   */
  drive(held: Held, isNew = false): void {
    if (!this.parts.membership.owns(held.owner)) return;
    const there = this.drives.get(held.tx.gid);
    if (there && !there.isOver) return there.adopt(held);
    if (there) this.remove(there);
    // What was read before another write of this node, and arrives after it.
    if (held.version <= (this.resting.get(held.tx.gid) ?? 0)) return;
    this.resting.delete(held.tx.gid);
    if (isEnded(held.tx)) return;
    const drive = new Drive(held, this.parts, isNew);
    this.drives.set(held.tx.gid, drive);
    this.count(drive, 1);
    if (this.isReleasing) drive.release();
    drive.run().then(
      () => {
        const { tx, version } = drive.saved;
        if (!isEnded(tx) && this.drives.get(tx.gid) === drive) this.resting.set(tx.gid, version);
        this.remove(drive);
      },
      (defect: unknown) => {
        this.parts.logger.error({ gid: held.tx.gid, error: defect }, 'defect in a drive; it is looked at again later');
        this.remove(drive);
        this.parts.clock.after(DEFECT_PAUSE_MS, () => this.drive(drive.saved));
      },
    );
  }

  /** What the log was found to hold: a drive that knew less goes on from it, or ends if it is not this node's any more. */
  see(held: Held): void {
    const drive = this.drives.get(held.tx.gid);
    if (!drive || held.version <= drive.saved.version) return;
    if (this.parts.membership.owns(held.owner)) drive.adopt(held);
    else this.stop(drive);
  }

  /** Others own what it drives. */
  stop(drive: Drive): void {
    this.remove(drive);
    drive.stop();
  }

  /** Of all that this node drives, and of what has come to rest here, the version that it knows. */
  versions(): Map<string, number> {
    const versions = new Map(this.resting);
    for (const [gid, drive] of this.drives) versions.set(gid, drive.saved.version);
    return versions;
  }

  versionOf(gid: string): number | undefined {
    return this.drives.get(gid)?.saved.version ?? this.resting.get(gid);
  }

  /** Others own it, unless this node has heard more of it since. */
  drop(gid: string, version: number): void {
    if (this.versionOf(gid) !== version) return;
    this.resting.delete(gid);
    const drive = this.drives.get(gid);
    if (drive) this.stop(drive);
  }

  /** The lease is lost: nothing more leaves for any of them. */
  stopAll(): void {
    this.resting.clear();
    for (const drive of this.all()) this.stop(drive);
  }

  /** Resolves when every drive has come to a point where it would only wait. */
  async release(): Promise<void> {
    this.isReleasing = true;
    for (const drive of this.all()) drive.release();
    if (this.drives.size > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  private remove(drive: Drive): void {
    const { gid } = drive.saved.tx;
    if (this.drives.get(gid) !== drive) return;
    this.drives.delete(gid);
    this.count(drive, -1);
    if (this.drives.size === 0) this.tellIdle();
  }

  private count(drive: Drive, by: 1 | -1): void {
    for (const component of drive.components) {
      const count = this.countOf(component) + by;
      if (count > 0) this.counts.set(component, count);
      else this.counts.delete(component);
    }
  }

  /** How many drives have a branch of this component. */
  private countOf(component: string): number {
    return this.counts.get(component) ?? 0;
  }

  private tellIdle(): void {
    for (const resolve of this.idle.splice(0)) resolve();
  }
}
