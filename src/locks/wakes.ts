/** Who is to be woken by which name. */
export class Wakes {
  private readonly byName = new Map<string, Set<() => void>>();

  get isEmpty(): boolean {
    return this.byName.size === 0;
  }

  names(): Iterable<string> {
    return this.byName.keys();
  }

  add(name: string, wake: () => void): void {
    const ofName = this.byName.get(name) ?? new Set();
    this.byName.set(name, ofName.add(wake));
  }

  /** Whether nobody is left who waits for this name, and somebody was. */
  delete(name: string, wake: () => void): boolean {
    const ofName = this.byName.get(name);
    if (!ofName?.delete(wake) || ofName.size > 0) return false;
    return this.byName.delete(name);
  }

  clear(): void {
    this.byName.clear();
  }

  wake(name: string): void {
    for (const wake of this.byName.get(name) ?? []) wake();
  }

  wakeAll(): void {
    for (const name of this.byName.keys()) this.wake(name);
  }
}
