/** The calls of the configuration center that a service makes: docs/wire.md, section 10. */
import { checksumOf } from '../../config/canonical.js';
import type { Pullable, Pulled, SharedPull } from '../../config/shared-pull.js';
import type { ConfigReport, ValuesView } from '../../protocol/config.js';
import type { Json } from '../../protocol/words.js';
import { TercetError } from '../errors.js';
import { Transport } from '../transport.js';
import type { ClientOptions } from '../transport.js';
import type { Asked } from './options.js';

/** What an instance is to have, without the contents. */
export type ValuesStamp = Omit<ValuesView, 'namespaces'>;

/** Beyond what the center holds the answer back. */
const TIMEOUT_MS = 3000;

export interface Wanted {
  /** Checksum of what is there; the center answers when it is to have something else. */
  readonly have: string | null;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export class Center {
  private readonly transport: Transport;
  private fetched = 0;

  constructor(
    private readonly asked: Asked,
    options: Pick<ClientOptions, 'url' | 'key'>,
    /** Null: every process gets its contents from the center itself. */
    private readonly shared: SharedPull | null,
  ) {
    this.transport = new Transport({ ...options, timeoutMs: TIMEOUT_MS, retry: { attempts: 1 } });
  }

  get url(): string {
    return this.transport.url;
  }

  get counts(): { fetches: number; saved: number } {
    const { fetches = 0, saved = 0 } = this.shared?.counts ?? {};
    return { fetches: this.fetched + fetches, saved };
  }

  /**
   * What this instance is to have; null: still what it has.
   *
   * @throws TercetError, also where the answer is not what its checksum says; TercetUnreachable; the reason of the signal
   */
  async next({ have, waitMs, signal }: Wanted): Promise<Pulled<ValuesView> | null> {
    const shared = this.shared?.isUsable ? this.shared : null;
    const answer = await this.ask(have, waitMs, signal, shared ? { prefer: 'return=minimal' } : {});
    if (answer === null) return null;
    if ('namespaces' in answer) {
      this.fetched += 1;
      return [answer, 'center'];
    }
    const whole = async (): Promise<ValuesView> => {
      const values = await this.ask(null, 0, signal, {});
      if (values && 'namespaces' in values) return values;
      throw invalid(this.url, 'it has no contents');
    };
    if (shared) return shared.pull(contentsOf(answer, whole));
    throw invalid(this.url, 'it has no contents');
  }

  async report(report: ConfigReport, signal: AbortSignal): Promise<void> {
    const { environment, instance } = this.asked;
    const path = `/v1/config/${environment}/nodes/${encodeURIComponent(instance)}`;
    await this.transport.send({ method: 'PUT', path, body: report, signal });
  }

  private async ask(
    have: string | null,
    waitMs: number,
    signal: AbortSignal,
    headers: Record<string, string>,
  ): Promise<ValuesView | ValuesStamp | null> {
    const { environment, namespaces, instance, labels, secrets } = this.asked;
    const query = new URLSearchParams({ namespaces: namespaces.join(','), instance });
    const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
    if (pairs.length > 0) query.set('labels', pairs.join(','));
    if (have !== null) query.set('have', have);
    if (waitMs > 0) query.set('waitMs', String(waitMs));
    if (secrets) query.set('secrets', 'plain');
    const path = `/v1/config/${environment}/values?${query.toString()}`;
    const answer = await this.transport.send<unknown>({ method: 'GET', path, waitMs, headers, signal });
    return answer === undefined ? null : verified(answer, this.url);
  }
}

/** The contents that the center has put its stamp on, wherever they come from. */
export function contentsOf(stamp: ValuesStamp, fetch: () => Promise<ValuesView>): Pullable<ValuesView> {
  return {
    checksum: stamp.checksum,
    fetch,
    checksumOf: ({ checksum }) => checksum,
    toCopy: ({ namespaces }) => namespaces,
    fromCopy: (copy: Json) => {
      const namespaces = copy as ValuesView['namespaces'];
      if (checksumOf(namespaces) === stamp.checksum) return { ...stamp, namespaces };
      throw new Error('it is not what its checksum says');
    },
  };
}

/** @throws TercetError TERCET_ANSWER_INVALID: it cannot be what the center meant to say */
function verified(answer: unknown, url: string): ValuesView | ValuesStamp {
  const { environment, revision, checksum, namespaces } = Object(answer) as Partial<ValuesView>;
  if (typeof environment !== 'string' || typeof checksum !== 'string' || !Number.isSafeInteger(revision)) {
    throw invalid(url, 'it lacks environment, revision or checksum');
  }
  const stamp: ValuesStamp = { environment, revision: revision as number, checksum };
  if (namespaces === undefined) return stamp;
  const isWhole = Object.values(Object(namespaces) as object).every(
    (entry: unknown) => isObject(entry) && Number.isSafeInteger(entry['release']) && isObject(entry['content']),
  );
  if (!isObject(namespaces) || !isWhole) throw invalid(url, 'its namespaces are not in their form');
  if (checksumOf(namespaces) !== checksum) throw invalid(url, 'its namespaces are not what its checksum says');
  return { ...stamp, namespaces };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(url: string, why: string): TercetError {
  const detail = `the configuration that ${url} answered is not used: ${why}; see what stands between, and ask again`;
  return TercetError.of('TERCET_ANSWER_INVALID', detail);
}
