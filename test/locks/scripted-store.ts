/** One lock of which the test says how its store behaves. */
import type { Attempt, HeldLock, LockStore, Wish } from '../../src/locks/lock.js';

export class ScriptedStore implements LockStore<'efficiency'> {
  readonly lockClass = 'efficiency';
  owner: string | null = null;
  readonly owners: string[] = [];
  readonly watchers = new Set<() => void>();
  renewals = 0;
  lessMs = 0;
  private token = 0;

  /** Replaced by tests of a store that is slow, silent or away. */
  before: (call: 'acquire' | 'renew' | 'release') => Promise<void> = async () => {};

  async acquire({ owner }: Wish): Promise<Attempt<'efficiency'>> {
    await this.before('acquire');
    this.owners.push(owner);
    if (this.owner !== null) return { heldForMs: null };
    this.owner = owner;
    return { token: ++this.token, lessMs: this.lessMs };
  }

  async renew({ owner }: Wish): Promise<boolean> {
    await this.before('renew');
    this.renewals++;
    return this.owner === owner;
  }

  async release({ owner }: Pick<Wish, 'name' | 'owner'>): Promise<boolean> {
    await this.before('release');
    if (this.owner !== owner) return false;
    this.owner = null;
    for (const wake of this.watchers) wake();
    return true;
  }

  watch(_name: string, wake: () => void): () => void {
    this.watchers.add(wake);
    queueMicrotask(wake);
    return () => this.watchers.delete(wake);
  }

  async list(): Promise<HeldLock[]> {
    return [];
  }

  async show(): Promise<HeldLock | null> {
    return null;
  }

  async seize(): Promise<HeldLock | null> {
    this.owner = null;
    return null;
  }

  async close(): Promise<void> {}
}
