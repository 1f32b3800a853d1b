/** Where a branch got no answer, so that its next attempt goes elsewhere. */

/** Branches that are remembered; the oldest give way. Enough for what fails while one instance dies. */
const MOST = 10_000;
const NOBODY: ReadonlySet<string> = new Set();

export class Detours {
  private readonly silent = new Map<string, Set<string>>();

  /** Names of the instances that did not answer it. */
  of(gid: string, branchId: string): ReadonlySet<string> {
    if (this.silent.size === 0) return NOBODY;
    return this.silent.get(keyOf(gid, branchId)) ?? NOBODY;
  }

  note(gid: string, branchId: string, instance: string): void {
    const key = keyOf(gid, branchId);
    const names = this.silent.get(key);
    if (names) names.add(instance);
    else this.silent.set(key, new Set([instance]));
    const [oldest] = this.silent.keys();
    if (this.silent.size > MOST && oldest !== undefined) this.silent.delete(oldest);
  }

  /** It was answered; what is pending still goes elsewhere: it may wait for what the silent one began. */
  forget(gid: string, branchId: string): void {
    if (this.silent.size > 0) this.silent.delete(keyOf(gid, branchId));
  }
}

/** No identifier has a space. */
function keyOf(gid: string, branchId: string): string {
  return `${gid} ${branchId}`;
}
