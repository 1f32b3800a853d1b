/** What instances get of the configuration: made once for all who get the same, and told to who waits when it changes. */
import { hash } from 'node:crypto';
import { canonicalJson } from '../config/canonical.js';
import type { Candidate } from '../config/selector.js';
import { contentsFor } from '../config-center/environment-state.js';
import type { Content, EnvironmentState } from '../config-center/environment-state.js';
import type { ConfigStates } from '../config-center/states.js';
import type { Clock } from '../engine/ports.js';
import type { ConfigContent, ValuesView } from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';

/** Of all texts that are kept: what many ask for again and again fits, whatever else is made anew. */
const MAX_KEPT_CHARS = 32 * 1024 * 1024;
/** Who waited is answered within this, so many in a ms: each of them comes back with a request of its own. */
const MAX_SPREAD_MS = 250;
const WOKEN_IN_A_MS = 20;

export interface ValuesParts {
  readonly states: ConfigStates;
  /** A stored content with its secrets in clear, or masked. */
  readonly reveal: (
    environment: string,
    namespace: string,
    text: string,
    secrets: 'plain' | 'masked',
  ) => Promise<ConfigContent>;
  readonly clock: Clock;
}

export interface AskedValues extends Candidate {
  readonly environment: string;
  readonly namespaces: readonly string[];
  readonly secrets: 'plain' | 'masked';
  /** Checksum of what the asker has. */
  readonly have?: string | undefined;
  readonly waitMs: number;
  /** Without the contents: the asker may find them elsewhere by their checksum. */
  readonly isBrief?: boolean;
}

interface Delivered {
  /** Canonical JSON of `namespaces`. */
  readonly text: string;
  readonly checksum: string;
}

interface Kept {
  readonly made: Promise<Delivered>;
  chars: number;
}

export class ConfigValues {
  /** By what is in them, the one asked for last at the end. */
  private readonly kept = new Map<string, Kept>();
  private keptChars = 0;
  private readonly waiting = new Set<AbortController>();
  private isClosed = false;

  constructor(private readonly parts: ValuesParts) {}

  /**
   * The answer as JSON; null: it is what the asker has.
   *
   * @param left resolves when the asker has gone away
   * @throws TercetError TERCET_CONFIG_UNKNOWN, TERCET_CONFIG_CORRUPT
   */
  async of(asked: AskedValues, left: Promise<void>): Promise<string | null> {
    const { states, clock } = this.parts;
    const { environment, have, waitMs } = asked;
    const endsAt = clock.monotonic() + waitMs;
    const isPoll = have !== undefined && waitMs > 0;
    // Whoever waits is woken if that is old; whoever does not must see what he was just told of.
    let state = await (isPoll ? states.state(environment) : states.look(environment));
    const ending = new AbortController();
    if (this.isClosed) ending.abort();
    void left.then(() => ending.abort());
    this.waiting.add(ending);
    try {
      for (;;) {
        if (!state) throw unknownEnvironment(environment);
        const delivered = await this.deliver(state, asked);
        if (delivered.checksum !== have) return asked.isBrief ? head(state, delivered) : answer(state, delivered);
        const leftMs = endsAt - clock.monotonic();
        if (leftMs <= 0 || ending.signal.aborted) return null;
        const { version } = state;
        state = await states.changed(environment, version, leftMs, ending.signal);
        if (state?.version !== version) await this.spread();
      }
    } finally {
      this.waiting.delete(ending);
    }
  }

  /** Who waits is answered with what is known, and nobody waits any more. */
  close(): void {
    this.isClosed = true;
    for (const ending of this.waiting) ending.abort();
  }

  private deliver(state: EnvironmentState, asked: AskedValues): Promise<Delivered> {
    const { environment, namespaces, secrets } = asked;
    const contents = contentsFor(state, asked);
    // One that does not exist yet holds nobody back from the others: nothing is in force in it.
    const wanted = [...namespaces].sort().flatMap((namespace) => {
      const content = contents.get(namespace);
      return content ? [[namespace, content] as const] : [];
    });
    // A release never changes, so neither does what is made of it; but a failover of the database may lose one, and its
    // number is given again then.
    const releases = wanted.map(([namespace, { release, checksum }]) => `${namespace}@${release}/${checksum}`);
    const key = [environment, secrets, ...releases].join(' ');
    const there = this.kept.get(key);
    if (there) {
      this.kept.delete(key);
      this.kept.set(key, there);
      return there.made;
    }
    const made = this.make(environment, secrets, wanted);
    this.keep(key, made);
    return made;
  }

  private async make(
    environment: string,
    secrets: 'plain' | 'masked',
    wanted: readonly (readonly [string, Content])[],
  ): Promise<Delivered> {
    const namespaces: ValuesView['namespaces'] = {};
    for (const [namespace, { release, text }] of wanted) {
      namespaces[namespace] = { release, content: await this.parts.reveal(environment, namespace, text, secrets) };
    }
    const text = canonicalJson(namespaces);
    return { text, checksum: hash('sha256', text, 'hex') };
  }

  private keep(key: string, made: Promise<Delivered>): void {
    const kept: Kept = { made, chars: 0 };
    this.kept.set(key, kept);
    const isThere = (): boolean => this.kept.get(key) === kept;
    made.then(
      ({ text }) => {
        if (!isThere()) return;
        kept.chars = text.length;
        this.keptChars += text.length;
        for (const [oldest, { chars }] of this.kept) {
          if (this.keptChars <= MAX_KEPT_CHARS) return;
          this.kept.delete(oldest);
          this.keptChars -= chars;
        }
      },
      () => {
        if (isThere()) this.kept.delete(key);
      },
    );
  }

  private async spread(): Promise<void> {
    const ms = Math.random() * Math.min(MAX_SPREAD_MS, this.waiting.size / WOKEN_IN_A_MS);
    if (ms >= 1) await new Promise<void>((resolve) => void this.parts.clock.after(ms, resolve));
  }
}

function head({ environment, revision }: EnvironmentState, { checksum }: Delivered): string {
  return JSON.stringify({ environment, revision, checksum } satisfies Omit<ValuesView, 'namespaces'>);
}

/** What is canonical stays as it is. */
function answer(state: EnvironmentState, delivered: Delivered): string {
  return `${head(state, delivered).slice(0, -1)},"namespaces":${delivered.text}}`;
}

export function unknownEnvironment(environment: string): TercetError {
  return new TercetError('TERCET_CONFIG_UNKNOWN', `there is no environment '${environment.slice(0, 200)}'`);
}

export function unknownNamespace(environment: string, namespace: string): TercetError {
  const detail = `there is no namespace '${namespace.slice(0, 200)}' in the environment '${environment}'`;
  return new TercetError('TERCET_CONFIG_UNKNOWN', detail);
}
