/** Locks over any store: who waits, for how long, and in which order. */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { CodedError } from '../platform/coded-error.js';
import { SYSTEM_CLOCK } from '../platform/surroundings.js';
import type { Clock } from '../platform/surroundings.js';
import { Held, validUntil } from './held.js';
import { LOCK_NAME } from './lock.js';
import type { LockClass, LockStore, Wish } from './lock.js';
import { Patience, Turns } from './patience.js';

const TTL_MS = { from: 100, to: 3_600_000, default: 10_000 };
const WAIT_MS = { from: 0, to: 86_400_000, default: 30_000 };
/** Whoever waits looks by himself after so long, in case what should have woken him went unheard. */
const LOOK_MS = 1000;
/** After the moment at which a lock ends, so that not all who wait come at once. */
const SPREAD_MS = 20;

export interface LockOptions {
  /** How long the lock is held if this process falls silent; it is renewed while it lives. Default 10 s. */
  readonly ttlMs?: number;
  /** How long to wait for it; 0: not at all. Default 30 s. */
  readonly waitMs?: number;
  /** Ends the waiting; what it then rejects with is the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
}

/** What waiting came to: the lock, or that it was not free in time, the store did not answer, or nobody waits any more. */
export type Outcome = 'got' | 'held' | 'unavailable' | 'aborted';

/** Told what came of each lock. */
export interface LockObserver {
  waited(name: string, ms: number, outcome: Outcome): void;
  ended(name: string, heldMs: number, isLost: boolean): void;
}

export interface LocksOptions {
  /** Who this is, for people who look at the locks. Default: host and process id. */
  readonly node?: string;
  readonly observer?: LockObserver;
  readonly clock?: Clock;
}

type Wanted = Omit<Wish, 'owner'>;

export class Locks<C extends LockClass = LockClass> {
  private readonly turns = new Turns();
  private readonly closing = new AbortController();
  private readonly acquiring = new Set<Promise<unknown>>();
  private readonly node: string;
  private readonly clock: Clock;
  private readonly observer: LockObserver | undefined;

  constructor(
    readonly store: LockStore<C>,
    { node = `${hostname()}/${process.pid}`, observer, clock = SYSTEM_CLOCK }: LocksOptions = {},
  ) {
    this.node = node;
    this.observer = observer;
    this.clock = clock;
    // As many as wait.
    setMaxListeners(0, this.closing.signal);
  }

  /**
   * Does the work while this process has the lock, and gives it back however the work ends. The work stops when its
   * `signal` fires, and calls `check()` before what cannot be undone.
   *
   * @throws what the work throws; CodedError TERCET_LOCK_LOST if the lock was lost meanwhile, even where the work noticed
   * nothing; and as {@link acquire}
   */
  async run<T>(name: string, options: LockOptions, work: (held: Held<C>) => Promise<T>): Promise<T> {
    const held = await this.acquire(name, options);
    let result: T;
    try {
      result = await work(held);
    } catch (error) {
      const loss = await held.release().then(
        () => null,
        (reason: unknown) => reason as CodedError,
      );
      if (loss === null || loss === error) throw error;
      throw new CodedError(loss.code, loss.detail, { cause: error });
    }
    await held.release();
    return result;
  }

  /**
   * The lock, once it is free: in the order of asking within this process, and in any order between processes.
   * When this rejects, nothing is left behind. It may take longer than `waitMs` by what the store needs to answer.
   *
   * @throws CodedError TERCET_LOCK_HELD: not free in time; TERCET_LOCK_UNAVAILABLE: the store did not answer in time;
   * RangeError: a name or an option is out of bounds
   */
  async acquire(name: string, { ttlMs, waitMs, signal }: LockOptions = {}): Promise<Held<C>> {
    if (!LOCK_NAME.test(name)) throw new RangeError(`'${name}' is no name of a lock: 1 to 128 of A-Z a-z 0-9 . _ : -`);
    const wanted = { name, node: this.node, ttlMs: bounded('ttlMs', ttlMs, TTL_MS) };
    const limitMs = bounded('waitMs', waitMs, WAIT_MS);
    const signals = [this.closing.signal, ...(signal ? [signal] : [])];
    for (const each of signals) each.throwIfAborted();
    const acquiring = this.acquired(wanted, limitMs, signals);
    this.acquiring.add(acquiring);
    try {
      return await acquiring;
    } finally {
      this.acquiring.delete(acquiring);
    }
  }

  /** The lock if it is free now, else null. @throws as {@link acquire}, but for TERCET_LOCK_HELD */
  async attempt(name: string, options: Pick<LockOptions, 'ttlMs'> = {}): Promise<Held<C> | null> {
    try {
      return await this.acquire(name, { ...options, waitMs: 0 });
    } catch (error) {
      if (error instanceof CodedError && error.code === 'TERCET_LOCK_HELD') return null;
      throw error;
    }
  }

  get isClosed(): boolean {
    return this.closing.signal.aborted;
  }

  /** Who waits stops waiting, and the store is closed. What is held is not given back: end its work first. */
  async close(): Promise<void> {
    this.closing.abort(unavailable('the locks of this process were closed'));
    // What the store gives them now they give back, for which it must be open.
    await Promise.allSettled(this.acquiring);
    await this.store.close();
  }

  private async acquired(wanted: Wanted, limitMs: number, signals: readonly AbortSignal[]): Promise<Held<C>> {
    const { name } = wanted;
    const stopped = (): AbortSignal | undefined => signals.find(({ aborted }) => aborted);
    const startedAt = this.clock.monotonic();
    const tell = (outcome: Outcome): void => this.observer?.waited(name, this.clock.monotonic() - startedAt, outcome);
    const patience = new Patience(this.clock, limitMs, signals);
    try {
      const held = await this.inTurn(wanted, patience, limitMs > 0);
      // Too late for who asked: he does not wait any more.
      if (stopped()) await held.release();
      stopped()?.throwIfAborted();
      tell('got');
      return held;
    } catch (error) {
      const isAway = error instanceof CodedError && error.code === 'TERCET_LOCK_UNAVAILABLE';
      tell(stopped() ? 'aborted' : isAway ? 'unavailable' : 'held');
      stopped()?.throwIfAborted();
      throw error;
    } finally {
      patience.stop();
    }
  }

  /** @param isPatient false: look once, whoever else waits here */
  private async inTurn(wanted: Wanted, patience: Patience, isPatient: boolean): Promise<Held<C>> {
    let unwatch: (() => void) | null = null;
    try {
      const isHis = await this.turns.take(wanted.name, patience);
      if (isPatient && !isHis) throw notFree(wanted);
      for (;;) {
        const answer = await this.ask(wanted);
        if (answer instanceof Held) return answer;
        const refusal = answer instanceof CodedError ? answer : notFree(wanted);
        if (patience.isOver) throw refusal;
        unwatch ??= this.store.watch(wanted.name, () => patience.ring());
        await patience.wait(pauseMs(answer instanceof CodedError ? null : answer.heldForMs));
        if (patience.isOver) throw refusal;
      }
    } finally {
      unwatch?.();
      this.turns.leave(wanted.name, patience);
    }
  }

  private async ask(wanted: Wanted): Promise<Held<C> | { heldForMs: number | null } | CodedError> {
    const { store, clock } = this;
    // Each attempt is another owner: what undoes one that was given up undoes nothing of the next.
    const wish = { ...wanted, owner: randomUUID() };
    const sentAt = clock.monotonic();
    try {
      const attempt = await store.acquire(wish);
      if ('heldForMs' in attempt) return attempt;
      const { token, lessMs = 0 } = attempt;
      const until = validUntil(sentAt, wish, lessMs);
      if (clock.monotonic() < until) {
        const ended = (ms: number, isLost: boolean): void => this.observer?.ended(wish.name, ms, isLost);
        return new Held({ store, clock, wish, token, lessMs, validUntil: until, ended });
      }
    } catch (error) {
      if (error instanceof CodedError) return error;
      throw error;
    }
    await store.release(wish).catch(() => false);
    return unavailable(`the store took longer to give '${wish.name}' than the lock would live (${wish.ttlMs} ms)`);
  }
}

function notFree({ name }: Wanted): CodedError {
  return new CodedError('TERCET_LOCK_HELD', `the lock '${name}' was not free in time; wait longer, or see who has it`);
}

function unavailable(what: string): CodedError {
  return new CodedError('TERCET_LOCK_UNAVAILABLE', `${what}; try again later`);
}

/** In no step with others who wait for the same. */
function pauseMs(heldForMs: number | null): number {
  const lookMs = LOOK_MS * (0.75 + Math.random() / 2);
  return heldForMs === null ? lookMs : Math.min(lookMs, heldForMs + SPREAD_MS * Math.random());
}

function bounded(name: string, value: number | undefined, bounds: typeof TTL_MS): number {
  if (value === undefined) return bounds.default;
  if (value >= bounds.from && value <= bounds.to) return value;
  throw new RangeError(`${name} is ${value}; it must be from ${bounds.from} to ${bounds.to}`);
}
