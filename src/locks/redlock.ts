/**
 * Locks in several independent Redis servers, of which a majority must agree: the algorithm that Redis calls Redlock.
 *
 * A minority of the servers may be away. It assumes that answers, pauses of processes and differences of clocks are
 * small against the lifetime of a lock, and that a server does not come back without what it had promised within that
 * lifetime. Where an assumption fails two hold a lock, so its class is `efficiency`.
 */
import type { Redis } from 'ioredis';
import { CodedError } from '../platform/coded-error.js';
import type { Attempt, HeldLock, LockStore, Wish } from './lock.js';
import { RedisLocks } from './redis.js';
import type { RedisAttempt, RedisLocksOptions } from './redis.js';

const DEFAULT_TIMEOUT_MS = 250;
const MOST_SERVERS = 9;
/** How much faster than this one a server's clock may run, and how coarse it is. */
const DRIFT = { share: 0.01, ms: 2 };
/** After votes were split nobody has the lock, and all try again, not in step. */
const SPLIT_MS = { from: 10, to: 200 };

interface Votes<T> {
  readonly yes: T[];
  readonly no: T[];
  readonly failed: unknown[];
}

export class Redlock implements LockStore<'efficiency'> {
  readonly lockClass = 'efficiency';
  private readonly servers: readonly RedisLocks[];
  private readonly quorum: number;
  private readonly underway = new Set<Promise<unknown>>();

  /**
   * @param servers 3, 5, 7 or 9 that know nothing of each other (no replicas of one another); as {@link RedisLocks}
   * @param options `timeoutMs` is for each server, default 250: well below the lifetimes of the locks
   * @throws RangeError: so many servers, or an option, will not do
   */
  constructor(servers: readonly Redis[], { timeoutMs = DEFAULT_TIMEOUT_MS, ...rest }: RedisLocksOptions = {}) {
    const count = servers.length;
    if (count < 3 || count > MOST_SERVERS || count % 2 === 0) {
      const why = 'an even number stands no more failures than one less, and two cannot agree when one is away';
      throw new RangeError(`Redlock needs 3, 5, 7 or ${MOST_SERVERS} independent Redis servers, not ${count}: ${why}`);
    }
    const places = servers.map(({ options }) => options.path ?? `${options.host}:${options.port}`);
    const twice = places.find((place, index) => places.indexOf(place) < index);
    if (twice) throw new RangeError(`Redlock needs independent servers, and ${twice} is named twice`);
    this.servers = servers.map((redis) => new RedisLocks(redis, { ...rest, timeoutMs }));
    this.quorum = (count + 1) / 2;
  }

  async acquire(wish: Wish): Promise<Attempt<'efficiency'>> {
    const asked = this.servers.map((server) => ({ server, answer: server.acquire(wish) }));
    const giveUp = (): void => asked.forEach(({ server, answer }) => this.withdrawAfter(answer, server, wish));
    const answers = asked.map(({ answer }) => answer);
    const votes = await this.count(answers, (attempt) => 'token' in attempt);
    const tokens = votes.yes.map((attempt) => ('token' in attempt ? attempt.token : 0));
    if (tokens.length < this.quorum) {
      giveUp();
      if (tokens.length + votes.no.length < this.quorum) throw this.unavailable(votes);
      return { heldForMs: this.heldFor(votes.no) };
    }
    const token = Math.max(...tokens);
    try {
      await this.raise(wish, token, tokens);
    } catch (error) {
      giveUp();
      throw error;
    }
    return { token, lessMs: wish.ttlMs * DRIFT.share + DRIFT.ms };
  }

  renew(wish: Wish): Promise<boolean> {
    return this.decided((server) => server.renew(wish));
  }

  /** On all servers, also on those that did not answer before. */
  release(wish: Pick<Wish, 'name' | 'owner'>): Promise<boolean> {
    return this.decided((server) => server.release(wish));
  }

  /** Wakes when a majority has said something since the last time: before that there is no majority to be had. */
  watch(name: string, wake: () => void): () => void {
    const heard = new Set<RedisLocks>();
    const hear = (server: RedisLocks): void => {
      if (heard.add(server).size < this.quorum) return;
      heard.clear();
      wake();
    };
    const ends = this.servers.map((server) => server.watch(name, () => hear(server)));
    return () => ends.forEach((end) => end());
  }

  async list({ prefix, limit }: { readonly prefix: string; readonly limit: number }): Promise<HeldLock[]> {
    const lists = await this.gathered((server) => server.list({ prefix, limit }));
    const names = [...new Set(lists.flat().map(({ name }) => name))].sort().slice(0, limit);
    const locks = await Promise.all(names.map((name) => this.show(name)));
    return locks.filter((lock) => lock !== null);
  }

  async show(name: string): Promise<HeldLock | null> {
    return this.majority(await this.gathered((server) => server.show(name)));
  }

  async seize(name: string): Promise<HeldLock | null> {
    return this.majority(await this.gathered((server) => server.seize(name)));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.underway);
    await Promise.all(this.servers.map((server) => server.close()));
  }

  /** Until it stands in a majority, whose next token is higher then. */
  private async raise(wish: Wish, token: number, tokens: readonly number[]): Promise<void> {
    if (tokens.filter((each) => each === token).length >= this.quorum) return;
    const votes = await this.count(
      this.servers.map((server) => server.raise(wish, token)),
      () => true,
    );
    if (votes.yes.length < this.quorum) throw this.unavailable(votes);
  }

  /** For how long a majority has given the lock to one owner; if it has not, a moment. */
  private heldFor(refusals: readonly RedisAttempt[]): number | null {
    const byOwner = new Map<string, (number | null)[]>();
    for (const refusal of refusals) {
      if ('by' in refusal) byOwner.set(refusal.by, [...(byOwner.get(refusal.by) ?? []), refusal.heldForMs]);
    }
    const times = [...byOwner.values()].find(({ length }) => length >= this.quorum);
    if (!times) return SPLIT_MS.from + Math.random() * (SPLIT_MS.to - SPLIT_MS.from);
    return times.includes(null) ? null : Math.max(...times.map(Number));
  }

  private majority(answers: readonly (HeldLock | null)[]): HeldLock | null {
    const locks = answers.filter((lock) => lock !== null);
    const { owner } =
      locks.find((lock) => locks.filter((each) => each.owner === lock.owner).length >= this.quorum) ?? {};
    const his = locks.filter((lock) => lock.owner === owner).sort((a, b) => a.token - b.token);
    // A server that answered late has perhaps not heard of the token that counts.
    const typical = his[Math.floor(his.length / 2)];
    return typical ?? null;
  }

  private async decided(ask: (server: RedisLocks) => Promise<boolean>): Promise<boolean> {
    const votes = await this.count(this.servers.map(ask), (isSo) => isSo);
    if (votes.yes.length >= this.quorum) return true;
    if (votes.no.length >= this.quorum) return false;
    throw this.unavailable(votes);
  }

  /** All answers, of a majority at least. */
  private async gathered<T>(ask: (server: RedisLocks) => Promise<T>): Promise<T[]> {
    const settled = await Promise.allSettled(this.servers.map(ask));
    const answers = settled.filter((each) => each.status === 'fulfilled').map(({ value }) => value);
    const failed = settled.filter((each) => each.status === 'rejected').map(({ reason }) => reason as unknown);
    if (answers.length < this.quorum) throw this.unavailable({ failed });
    return answers;
  }

  /** Until a majority says one thing or the other, or cannot any more. Who has not answered by then is not counted. */
  private count<T>(answers: readonly Promise<T>[], isYes: (answer: T) => boolean): Promise<Votes<T>> {
    const votes: Votes<T> = { yes: [], no: [], failed: [] };
    return new Promise((resolve) => {
      const counted = (): void => {
        const counts = [votes.yes.length, votes.no.length, votes.failed.length];
        const isAll = counts.reduce((sum, each) => sum + each) === answers.length;
        if (isAll || Math.max(...counts) >= this.quorum) resolve(votes);
      };
      for (const answer of answers) {
        answer
          .then(
            (value) => (isYes(value) ? votes.yes : votes.no).push(value),
            (error: unknown) => votes.failed.push(error),
          )
          .then(counted, counted);
      }
    });
  }

  /**
   * After the answer: what is sent only now would otherwise come after it. Nobody is woken: those whose votes were split
   * would all try again at once, and be split again.
   */
  private withdrawAfter(answer: Promise<unknown>, server: RedisLocks, wish: Wish): void {
    const withdraw = (): Promise<unknown> => server.withdraw(wish).catch(() => {});
    const work = answer.then(withdraw, withdraw);
    this.underway.add(work);
    void work.then(() => this.underway.delete(work));
  }

  private unavailable({ failed }: Pick<Votes<unknown>, 'failed'>): CodedError {
    const why = failed.map((error) => (error as CodedError).detail).join('; ');
    const what = `${failed.length} of ${this.servers.length} Redis servers are away, and ${this.quorum} must agree: ${why}`;
    return new CodedError('TERCET_LOCK_UNAVAILABLE', what, { cause: failed[0] });
  }
}
