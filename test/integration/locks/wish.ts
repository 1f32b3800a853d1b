import type { FencingToken, LockStore, Wish } from '../../../src/locks/lock.js';

export const wish = (name: string, owner: string, ttlMs = 60_000): Wish => ({ name, owner, node: 'test', ttlMs });

/** The token, of a lock that is free. */
export async function got(store: LockStore<'correctness'>, wanted: Wish): Promise<FencingToken> {
  const attempt = await store.acquire(wanted);
  if (!('token' in attempt)) throw new Error(`'${wanted.name}' is not free`);
  return attempt.token;
}
