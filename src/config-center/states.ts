/**
 * What is in force in an environment, as this node last saw it. Whoever waits for a change is woken by a word that
 * carries no values; the word may get lost, so whoever is waited for is looked at every second as well.
 */
import type { SharedPull } from '../config/shared-pull.js';
import type { Clock, Logger } from '../engine/ports.js';
import type { Database } from '../storage/database.js';
import type { EnvironmentState } from './environment-state.js';
import { StateReader } from './state-reader.js';

const LOOK_MS = 1000;
/** An environment that nobody asked for meanwhile is forgotten. */
const FORGET_MS = 60_000;

/** Says when something has changed in an environment, or may have: each way that the word goes is one. */
export interface Wakeups {
  watch(environment: string, wake: () => void): () => void;
}

export interface StatesParts {
  readonly database: Database;
  readonly wakeups: Wakeups;
  /** One node reads contents, the others take its copy; default: each reads them itself. */
  readonly shared?: SharedPull | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ConfigStates {
  private readonly watched = new Map<string, Watched>();
  private isClosed = false;

  constructor(private readonly parts: StatesParts) {}

  /** At most a second old; null: there is no such environment. @throws LogUnavailable, TercetError TERCET_CONFIG_CORRUPT */
  async state(environment: string): Promise<EnvironmentState | null> {
    return this.of(environment).state();
  }

  /** As it is now. @throws as {@link state} */
  async look(environment: string): Promise<EnvironmentState | null> {
    return this.of(environment).look();
  }

  /**
   * Resolves as soon as the version is another than `version`, or after `ms`, or when `signal` aborts or this is closed,
   * with what is known then. @throws as {@link state}, where nothing is known
   */
  changed(environment: string, version: string, ms: number, signal?: AbortSignal): Promise<EnvironmentState | null> {
    return this.of(environment).changed(version, ms, signal);
  }

  /** Whoever waits is answered with what is known. */
  close(): void {
    this.isClosed = true;
    for (const watched of this.watched.values()) watched.close();
    this.watched.clear();
  }

  private of(environment: string): Watched {
    const there = this.watched.get(environment);
    if (there) return there;
    const watched = new Watched(environment, this.parts, () => this.watched.delete(environment));
    if (this.isClosed) watched.close();
    else this.watched.set(environment, watched);
    return watched;
  }
}

class Watched {
  private readonly reader: StateReader;
  private known: EnvironmentState | null = null;
  private hasLooked = false;
  private lookedAt = -Infinity;
  private usedAt: number;
  private looking: Promise<EnvironmentState | null> | null = null;
  private next: Promise<EnvironmentState | null> | null = null;
  private readonly waiting = new Set<() => void>();
  private readonly unwatch: () => void;
  private cancel: (() => void) | null = null;
  private isFailing = false;
  private isClosed = false;

  constructor(
    private readonly environment: string,
    private readonly parts: StatesParts,
    private readonly forget: () => void,
  ) {
    this.reader = new StateReader(parts.database, parts.shared ?? null);
    this.usedAt = parts.clock.monotonic();
    this.unwatch = parts.wakeups.watch(environment, () => void this.lookAgain());
    this.schedule();
  }

  state(): Promise<EnvironmentState | null> {
    this.usedAt = this.parts.clock.monotonic();
    const isFresh = this.hasLooked && this.usedAt - this.lookedAt < LOOK_MS;
    return isFresh ? Promise.resolve(this.known) : this.look();
  }

  /** A look that began before may have seen less: then another one follows, one for all who ask meanwhile. */
  look(): Promise<EnvironmentState | null> {
    this.usedAt = this.parts.clock.monotonic();
    if (!this.looking) {
      this.looking = this.read().finally(() => (this.looking = null));
      return this.looking;
    }
    this.next ??= this.looking
      .catch(() => null)
      .then(() => {
        this.next = null;
        return this.look();
      });
    return this.next;
  }

  async changed(version: string, ms: number, signal?: AbortSignal): Promise<EnvironmentState | null> {
    let isLate = false;
    const isOver = (): boolean => this.isClosed || signal?.aborted === true || isLate;
    // In line before it is looked at: what changes in between wakes.
    let ring = (): void => undefined;
    const wake = (): void => ring();
    this.waiting.add(wake);
    signal?.addEventListener('abort', wake);
    // A timer may ring a little before its time, and rings once: that it rang is what counts.
    const cancel = this.parts.clock.after(ms, () => {
      isLate = true;
      wake();
    });
    try {
      let state = await this.state();
      while (state?.version === version && !isOver()) {
        await new Promise<void>((resolve) => {
          ring = resolve;
          // It may have rung while nobody listened.
          if (isOver() || this.known !== state) resolve();
        });
        this.usedAt = this.parts.clock.monotonic();
        state = this.known;
      }
      return state;
    } finally {
      cancel();
      signal?.removeEventListener('abort', wake);
      this.waiting.delete(wake);
    }
  }

  close(): void {
    this.isClosed = true;
    this.unwatch();
    this.cancel?.();
    for (const wake of this.waiting) wake();
  }

  private schedule(): void {
    // In no step with the other nodes.
    this.cancel = this.parts.clock.after(LOOK_MS * (0.75 + Math.random() / 2), () => {
      if (this.waiting.size === 0 && this.parts.clock.monotonic() - this.usedAt > FORGET_MS) {
        this.close();
        this.forget();
        return;
      }
      void (this.waiting.size > 0 ? this.lookAgain() : Promise.resolve()).then(() => {
        if (!this.isClosed) this.schedule();
      });
    });
  }

  private async lookAgain(): Promise<void> {
    const { usedAt } = this;
    try {
      await this.look();
      this.isFailing = false;
    } catch (error) {
      // Said once: whoever asks is told each time.
      if (!this.isFailing && !this.isClosed) {
        const { environment } = this;
        this.parts.logger.warn({ environment, error: String(error) }, 'changes of the configuration are not seen now');
      }
      this.isFailing = true;
    }
    this.usedAt = usedAt;
  }

  private async read(): Promise<EnvironmentState | null> {
    const sentAt = this.parts.clock.monotonic();
    this.note(await this.reader.read(this.environment, this.known), sentAt);
    return this.known;
  }

  private note(state: EnvironmentState | null, sentAt: number): void {
    const isNews = state !== this.known;
    this.known = state;
    this.hasLooked = true;
    this.lookedAt = sentAt;
    if (isNews) for (const wake of this.waiting) wake();
    // Of what is not there nothing is kept: anybody can make up names.
    if (state === null && this.waiting.size === 0) {
      this.close();
      this.forget();
    }
  }
}
