/**
 * Follows what is in force for this node, and takes it: looked at whole, built, and then put to use in one stroke, or not
 * at all. What cannot be taken is said once, and what was in use stays in use.
 */
import { hash } from 'node:crypto';
import type { Activation } from '../config-center/activation.js';
import { contentsFor } from '../config-center/environment-state.js';
import type { Content, EnvironmentState } from '../config-center/environment-state.js';
import type { ReleaseContents } from '../config-center/release-contents.js';
import type { ConfigStates } from '../config-center/states.js';
import { LogUnavailable } from '../engine/ports.js';
import type { Clock, Logger } from '../engine/ports.js';
import type { ConfigReport } from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';
import type { Json } from '../protocol/words.js';
import type { ConfigFacts } from './config-facts.js';
import { readContent } from './content.js';
import { NODE_KEYS } from './keys.js';
import type { NodePath, NodeValues } from './keys.js';
import type { LastGood } from './last-good.js';
import { Reports } from './reports.js';
import { Steered } from './steered.js';
import type { Taken } from './steered.js';
import { StrictRelease } from './strict-release.js';

export const ENVIRONMENT = 'tercet';
export const NAMESPACE = 'coordinator';
/** It is woken when something changes; this long it may go unnoticed that nothing can be seen. */
const LOOK_MS = 5000;
const AGAIN_MS = 1000;
const MAX_REASON = 1000;

/**
 * Makes ready whatever runs by these values, and may throw: then the release is not taken. What it gives back puts it to
 * use, and must not throw.
 */
export type Builder = (values: NodeValues) => () => void;

export interface NodeConfigParts {
  readonly states: Pick<ConfigStates, 'look' | 'changed'>;
  readonly contents: Pick<ReleaseContents, 'content' | 'ageMs'>;
  readonly activation: Pick<Activation, 'acknowledge' | 'finish' | 'finishOverdue'>;
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly leaseMs: number;
  /** This node among the members. @throws LogUnavailable while it is none */
  readonly member: () => string;
  readonly report: (environment: string, instance: string, report: ConfigReport) => Promise<void>;
  /** What the settings of the process say. */
  readonly settings: Partial<NodeValues>;
  readonly lastGood: LastGood;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told how long after it came into force a release was taken, ms; not of the one that the node started with. */
  readonly appliedAfter?: (ms: number) => void;
}

/** What was looked at last. */
interface Desired {
  readonly content: Content | null;
  readonly epoch: number;
}

export class NodeConfig {
  readonly steering: Steered;
  private readonly builders: Builder[] = [];
  private readonly strict: StrictRelease;
  private readonly reports: Reports;
  private readonly stopping = new AbortController();
  private following: Promise<void> = Promise.resolve();
  private refreshing: Promise<void> | null = null;
  private saving: Promise<void> = Promise.resolve();
  private desired: Desired | null = null;
  /** Fixed at the start. */
  private started: NodeValues | null = null;
  private rejected: string | null = null;
  private rejects = 0;
  private unseen: ConfigFacts['unseen'] = null;

  constructor(private readonly parts: NodeConfigParts) {
    const { contents, settings, clock, logger, node, report } = parts;
    this.steering = new Steered({
      contentOf: (release) => contents.content(ENVIRONMENT, release, NAMESPACE),
      settings,
      refresh: () => (this.refreshing ??= this.look().finally(() => (this.refreshing = null))),
      clock,
      logger,
    });
    const prepare = ({ contents: of }: { contents: ReadonlyMap<string, Content> }): string | null => {
      const built = this.build(of.get(NAMESPACE) ?? this.desired?.content ?? null, 0);
      return typeof built === 'string' ? built : null;
    };
    this.strict = new StrictRelease({ ...parts, prepare });
    this.reports = new Reports({ ...parts, send: (said) => report(ENVIRONMENT, node, said) });
  }

  /**
   * Takes what is in force, or where that cannot be, what was taken last.
   *
   * @throws LogUnavailable; TercetError when there is nothing that could be taken
   */
  async start(): Promise<void> {
    let why: TercetError | null = null;
    try {
      const state = await this.parts.states.look(ENVIRONMENT);
      if (state) this.take(state);
      if (this.rejected !== null) why = new TercetError('TERCET_CONFIG_INVALID', this.rejected);
    } catch (error) {
      if (!(error instanceof TercetError)) throw error;
      why = error;
    }
    if (why) await this.takeLastGood(why);
    this.started = this.steering.values;
  }

  /** From now on `builder` has a say, and goes by what is in force already. */
  use(builder: Builder): void {
    this.builders.push(builder);
    builder(this.steering.values)();
  }

  /** Once this node is a member. */
  follow(): void {
    this.reports.start();
    this.following = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.following;
    await this.reports.stop();
    await this.saving;
  }

  get facts(): ConfigFacts {
    const { release: applied, epoch } = this.steering.inForce;
    const { rejected, rejects, unseen } = this;
    const desired = this.desired ? (this.desired.content?.release ?? null) : applied;
    return { desired, applied, epoch, rejects, rejected, atNextStart: this.atNextStart(), unseen };
  }

  /** What is wrong with it, for whoever asks whether the node is well. */
  warnings(): string[] {
    const { desired, rejected, unseen } = this.facts;
    const since = unseen && new Date(unseen.since).toISOString();
    return [
      ...(rejected === null ? [] : [`config: release ${desired} is not taken: ${rejected}`]),
      ...(unseen === null ? [] : [`config: changes are not seen since ${since}`]),
    ];
  }

  private async run(): Promise<void> {
    const { states, clock } = this.parts;
    const { signal } = this.stopping;
    const isStopped = (): boolean => signal.aborted;
    for (let version = ''; !isStopped();) {
      try {
        const state = await states.changed(ENVIRONMENT, version, LOOK_MS, signal);
        this.unseen = null;
        if (!state || isStopped()) continue;
        version = state.version;
        this.take(state);
        if (state.rollout?.mode !== 'strict') continue;
        // Not `version`: a strict release that follows at once would count as seen, and nobody would take part in it.
        let seen = version;
        await this.strict.takePart(state.rollout, isStopped, async (ms) => {
          seen = await this.versionAfter(seen, ms);
        });
        await this.look();
      } catch (error) {
        // What nobody can read, nobody takes part in; its deadline ends it all the same.
        await this.parts.activation.finishOverdue().catch(() => undefined);
        this.unseen ??= { since: clock.now(), why: String(error) };
        await this.pause();
      }
    }
  }

  private async versionAfter(version: string, ms: number): Promise<string> {
    const changed = this.parts.states.changed(ENVIRONMENT, version, ms, this.stopping.signal);
    const state = await changed.catch(() => this.pause());
    return state?.version ?? version;
  }

  private async look(): Promise<void> {
    try {
      const state = await this.parts.states.look(ENVIRONMENT);
      if (state) this.take(state);
    } catch (error) {
      if (error instanceof LogUnavailable) throw error;
      throw new LogUnavailable((error as Error).message, { cause: error });
    }
  }

  /** Nothing is awaited in here: release and epoch are those of one state, and change together. */
  private take(state: EnvironmentState): void {
    const { node: instance, labels, logger } = this.parts;
    const content = contentsFor(state, { instance, labels }).get(NAMESPACE) ?? null;
    const { epoch } = state;
    if (this.desired && this.desired.epoch === epoch && this.desired.content?.release === content?.release) return;
    this.desired = { content, epoch };
    const release = content?.release ?? null;
    const built = this.build(content, epoch);
    if (typeof built === 'string') {
      this.rejected = built;
      this.rejects += 1;
      const inUse = this.steering.inForce.release;
      logger.warn({ release, why: built, inUse }, 'a release is not taken; what was in use stays in use');
    } else {
      this.rejected = null;
      this.apply(built);
      if (release !== null) logger.info({ release, epoch }, 'a release is in use');
      if (content) this.note(content, epoch);
    }
    this.reports.say(this.said());
  }

  /** All that is needed to take it, or why it cannot be taken. */
  private build(content: Content | null, epoch: number): (Taken & { readonly uses: (() => void)[] }) | string {
    try {
      const reading = readContent(content ? (JSON.parse(content.text) as Json) : {});
      const [fault] = reading.faults;
      if (fault) return `${fault.path}: ${fault.message}`.slice(0, MAX_REASON);
      const values = this.steering.valuesOf(reading);
      return { release: content?.release ?? null, epoch, reading, uses: this.builders.map((build) => build(values)) };
    } catch (error) {
      return String((error as Error).message).slice(0, MAX_REASON);
    }
  }

  private apply(taken: Taken & { readonly uses: readonly (() => void)[] }): void {
    this.steering.take(taken);
    for (const use of taken.uses) use();
  }

  /** For the next start, and for whoever measures. Nobody waits for it. */
  private note({ release, text }: Content, epoch: number): void {
    const { lastGood, contents, logger, appliedAfter } = this.parts;
    this.saving = lastGood.write({ release, epoch, text }).catch((error: unknown) => {
      logger.warn({ error: String(error) }, 'what is in use could not be saved for the next start');
    });
    if (!this.started || !appliedAfter) return;
    void contents.ageMs(ENVIRONMENT, release).then(
      (ms) => ms !== null && appliedAfter(ms),
      () => undefined,
    );
  }

  private async takeLastGood(why: TercetError): Promise<void> {
    const { lastGood, logger } = this.parts;
    const saved = await lastGood.read();
    const reading = saved && readContent(JSON.parse(saved.text) as Json);
    if (!saved || !reading || reading.faults.length > 0) {
      const detail = `what is in force cannot be taken, and this node has nothing of before: ${why.detail}`;
      throw new TercetError(why.code, detail, undefined, { cause: why });
    }
    const { release, epoch, text } = saved;
    this.rejected ??= why.detail;
    this.rejects = 1;
    // Where nothing can be read, that is what can be reported. Its epoch is none: what can be read later is taken.
    this.desired ??= { content: { release, text, checksum: hash('sha256', text, 'hex') }, epoch: -1 };
    this.apply({ release, epoch, reading, uses: [] });
    logger.warn({ release, why: why.detail }, 'started with the release that this node took last');
    this.reports.say(this.said());
  }

  private atNextStart(): NodePath[] {
    const { started } = this;
    if (!started) return [];
    const paths = Object.keys(NODE_KEYS) as NodePath[];
    return paths.filter((path) => NODE_KEYS[path].kind === 'restart' && this.steering.values[path] !== started[path]);
  }

  private said(): ConfigReport['namespaces'] {
    const content = this.desired?.content;
    if (!content) return {};
    const { release, checksum } = content;
    if (this.rejected !== null) {
      return { [NAMESPACE]: { release, checksum, state: 'rejected', reason: this.rejected } };
    }
    const later = this.atNextStart();
    const reason = later.length === 0 ? {} : { reason: `applies at the next start: ${later.join(', ')}` };
    return { [NAMESPACE]: { release, checksum, state: 'applied', ...reason } };
  }

  private pause(): Promise<null> {
    const { signal } = this.stopping;
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener('abort', end);
        resolve(null);
      };
      const cancel = this.parts.clock.after(AGAIN_MS, end);
      signal.addEventListener('abort', end);
      if (signal.aborted) end();
    });
  }
}
