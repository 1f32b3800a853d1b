/** The configuration of a service: read at start, followed while it runs, replaced as a whole or not at all. */
import { Live } from '../../config/live.js';
import type { Build } from '../../config/live.js';
import { Wake } from '../../config/wake.js';
import type { ConfigReport, ValuesView } from '../../protocol/config.js';
import { reasonOf } from '../errors.js';
import { firstOf, isNothing } from './first.js';
import type { First, Rejected, Source } from './first.js';
import type { TercetConfigOptions } from './options.js';
import { closed, partsOf } from './parts.js';
import type { Parts } from './parts.js';
import { quietBuild, quietParsers } from './quiet.js';
import { reportOf } from './reporter.js';
import { ConfigSnapshot } from './snapshot.js';
import type { Parsers, ValueOf } from './snapshot.js';

/** How long the center holds back an answer that would say nothing new. */
const POLL_MS = 30_000;
const PAUSE_MS = { first: 200, most: 5000 };
/** An answer without news that comes sooner was not held back. */
const TOO_SOON_MS = 1000;
const LAST_WORD_MS = 2000;

export interface ConfigStatus {
  readonly environment: string;
  readonly instance: string;
  /** Where what is in force here came from: the center, a copy in Redis that it confirmed, the disk; or it is none. */
  readonly source: Source;
  /** Of the environment, as of the last answer that was taken; 0: nothing was released then. */
  readonly revision: number;
  /** When this process took what it has: ms since the epoch. */
  readonly since: number;
  /** How long ago the center last said that this is what the instance is to have; of defaults: since the start. */
  readonly ageMs: number;
  /** What the center would have it take, and why it does not; null: all was taken. */
  readonly rejected: { readonly revision: number; readonly reason: string } | null;
  /** Why the center was not heard the last time; null: it was. */
  readonly problem: string | null;
}

export class TercetConfig<V extends object = object> {
  private readonly live: Live<ConfigSnapshot<V>>;
  private readonly running: Promise<unknown>;
  private readonly wake: Wake;
  /** What was taken. */
  private values: ValuesView;
  /** Checksum of what the center gave last, taken or not: of it the instance need not hear again. */
  private seen: string | null;
  /** What comes from the center must not be older. */
  private revision: number;
  private source: Source;
  private since: number;
  private confirmedAt: number;
  private rejected: Rejected | null;
  private problem: string | null = null;
  private hasNamedMissing = false;

  private constructor(
    private readonly parts: Parts<V>,
    first: First<ConfigSnapshot<V>>,
  ) {
    const { clock, logger, reporter, over } = parts;
    const { taken, values, source, confirmedAt, rejected } = first;
    this.live = new Live(taken, logger);
    this.values = values;
    this.seen = source === 'defaults' ? null : (rejected?.values ?? values).checksum;
    // The center's word counts more than that of the disk, even if it was set back meanwhile.
    this.revision = source === 'disk' ? 0 : values.revision;
    this.source = source;
    this.since = clock.now();
    this.confirmedAt = confirmedAt;
    this.rejected = rejected;
    if (source === 'center' || source === 'copy') parts.lastGood?.keep(values, true);
    reporter.set(this.report());
    this.wake = new Wake(clock);
    over.signal.addEventListener('abort', this.wake.ring, { once: true });
    this.running = Promise.all([this.follow(), reporter.run()]);
  }

  /**
   * @throws CodedError TERCET_CONFIG_UNAVAILABLE: the center does not give it, or gives what a parser rejects, and there
   * is no copy of last time; TERCET_CONFIG_TOO_OLD: the copy is too old; RangeError: an option makes no sense
   */
  static async start<V extends object = object>(options: TercetConfigOptions<V>): Promise<TercetConfig<V>> {
    const parts = partsOf(options);
    const { center, reporter, lastGood, clock, logger, over } = parts;
    const { environment, whenUnavailable = 'throw' } = options;
    const take = (values: ValuesView): ConfigSnapshot<V> => snapshotOf(values, options);
    const tell = (rejected: Rejected): void => reporter.set(reportOf(options, null, rejected));
    let isRejected = false;
    try {
      const first = await firstOf(
        {
          ...{ center, lastGood, environment, logger, take },
          isOptional: whenUnavailable === 'defaults',
          now: () => clock.now(),
          signal: over.signal,
        },
        (rejected) => {
          isRejected = true;
          tell(rejected);
        },
      );
      return new TercetConfig(parts, first);
    } catch (error) {
      // A gray release ends with the first that rejects it, also with one that could not start.
      if (isRejected) await reporter.send(AbortSignal.timeout(LAST_WORD_MS)).catch(() => undefined);
      await closed(parts);
      throw error;
    }
  }

  /** What is in force in a namespace. Of two that belong together, use {@link snapshot}. @throws RangeError: it was not asked for */
  get<N extends string>(namespace: N): ValueOf<V, N> {
    return this.live.value.get(namespace);
  }

  /** The number of the release in force; null: none is. */
  release(namespace: string): number | null {
    return this.live.value.releases[namespace] ?? null;
  }

  /** All namespaces as they are in force together. It stays as it is; the next change makes another one. */
  snapshot(): ConfigSnapshot<V> {
    return this.live.value;
  }

  /**
   * Calls `build` with what is there, and with each change before it is in force: what it throws rejects the change, for
   * all who listen; the function that it returns runs when the change is in force. The function returned ends that.
   *
   * @throws what `build` throws for what is there; with `secrets` an Error that has only the class of it
   */
  onChange(build: Build<ConfigSnapshot<V>>): () => void {
    return this.live.onChange(this.parts.options.secrets ? quietBuild(build) : build);
  }

  get status(): ConfigStatus {
    const { options, instance, clock } = this.parts;
    const { values, error } = this.rejected ?? {};
    return {
      environment: options.environment,
      instance,
      source: this.source,
      revision: this.revision,
      since: this.since,
      ageMs: Math.max(0, clock.now() - this.confirmedAt),
      rejected: values ? { revision: values.revision, reason: reasonOf(error) } : null,
      problem: this.problem,
    };
  }

  /** How often contents came from the center, and how often a copy in Redis made that unnecessary. */
  get pulls(): { readonly fetches: number; readonly saved: number } {
    return this.parts.center.counts;
  }

  /** What is in force stays; nobody follows it any more. */
  async close(): Promise<void> {
    this.parts.over.abort(new Error('the configuration was closed'));
    await this.running;
    await closed(this.parts);
  }

  private async follow(): Promise<void> {
    const { center, clock, over } = this.parts;
    let grownMs = 0;
    while (!over.signal.aborted) {
      this.nameMissing();
      const startedAt = clock.monotonic();
      let isCalm = true;
      try {
        const answer = await center.next({ have: this.seen, waitMs: POLL_MS, signal: over.signal });
        if (answer === null) this.confirmed();
        const isNews = answer !== null && this.take(...answer);
        isCalm = isNews || clock.monotonic() - startedAt >= TOO_SOON_MS;
      } catch (error) {
        if (over.signal.aborted) return;
        isCalm = false;
        this.unheard(error);
      }
      grownMs = isCalm ? 0 : Math.min(PAUSE_MS.most, Math.max(PAUSE_MS.first, grownMs * 2));
      await this.wake.wait(grownMs * (0.5 + Math.random() / 2));
    }
  }

  /** Once the center was heard: a name that nobody has released to may be one that was written wrong. */
  private nameMissing(): void {
    if (this.hasNamedMissing || this.source === 'disk' || this.source === 'defaults') return;
    this.hasNamedMissing = true;
    const { environment } = this.parts.options;
    const missing = Object.entries(this.live.value.releases).flatMap(([name, release]) =>
      release === null ? [name] : [],
    );
    const message =
      'nothing is in force in these namespaces, if they exist at all: they are {} until something is released';
    if (missing.length > 0) this.parts.logger.warn({ environment, missing }, message);
  }

  /** @returns whether it was something new */
  private take(values: ValuesView, source: Source): boolean {
    const { logger } = this.parts;
    const { revision, checksum } = values;
    if (revision < this.revision) {
      this.unheard(new Error(`the center answers revision ${revision}, and ${this.revision} was there before`));
      return false;
    }
    const isKnown = checksum === this.seen;
    this.seen = checksum;
    this.revision = revision;
    if (checksum === this.values.checksum) {
      // Back again: what was rejected is not in force any more.
      this.rejected = null;
      this.source = source;
      this.confirmed();
    } else if (!isKnown) {
      this.heard();
      try {
        this.live.change(snapshotOf(values, this.parts.options));
        this.values = values;
        this.rejected = null;
        this.source = source;
        this.since = this.parts.clock.now();
        this.confirmedAt = this.since;
        this.parts.lastGood?.keep(values, true);
        logger.info({ revision, source }, 'a new configuration is in force');
      } catch (error) {
        this.rejected = { values, error };
        const message = 'a new configuration is rejected, the old one stays; it is not tried again until it changes';
        logger.error({ revision, error: String(error) }, message);
      }
    }
    this.parts.reporter.set(this.report());
    return !isKnown;
  }

  /** The center says that the instance has what it is to have; or what it has rejected, and then what it has grows old. */
  private confirmed(): void {
    this.heard();
    if (this.rejected) return;
    this.confirmedAt = this.parts.clock.now();
    if (this.source === 'disk') this.source = 'center';
    if (this.source !== 'defaults') this.parts.lastGood?.keep(this.values, false);
  }

  private heard(): void {
    if (this.problem !== null) this.parts.logger.info({}, 'the configuration center answers again');
    this.problem = null;
  }

  private unheard(error: unknown): void {
    // Where nothing was ever there, this is the answer.
    if (isNothing(error) && this.revision === 0 && Object.keys(this.values.namespaces).length === 0) {
      this.source = 'center';
      return this.confirmed();
    }
    const problem = reasonOf(error);
    const message = 'the configuration center gives nothing that can be used; what is in force stays';
    if (this.problem !== problem) this.parts.logger.warn({ error: problem }, message);
    this.problem = problem;
  }

  private report(): ConfigReport['namespaces'] {
    return reportOf(this.parts.options, this.values, this.rejected);
  }
}

function snapshotOf<V extends object>(values: ValuesView, options: TercetConfigOptions<V>): ConfigSnapshot<V> {
  const { namespaces, secrets = false } = options;
  const parsers: Parsers = options.parse ?? {};
  return new ConfigSnapshot<V>(values, namespaces, secrets ? quietParsers(parsers) : parsers);
}
