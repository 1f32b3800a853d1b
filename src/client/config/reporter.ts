/** Tells the center what this instance has taken and what it has rejected: at once, and then as a heartbeat. */
import { randomUUID } from 'node:crypto';
import { checksumOf } from '../../config/canonical.js';
import { Wake } from '../../config/wake.js';
import type { Clock, Logger } from '../../platform/surroundings.js';
import type { ConfigReport, ValuesView } from '../../protocol/config.js';
import { reasonOf, TercetError } from '../errors.js';
import type { Center } from './center.js';
import type { Rejected } from './first.js';
import type { TercetConfigOptions } from './options.js';

const FIRST_PAUSE_MS = 200;

type Given = ValuesView['namespaces'][string];

export interface ReporterParts {
  readonly center: Center;
  readonly labels: Readonly<Record<string, string>>;
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends it. */
  readonly signal: AbortSignal;
}

export class Reporter {
  private readonly incarnation = randomUUID();
  private readonly wake: Wake;
  private namespaces: ConfigReport['namespaces'] = {};
  private isHeard = true;

  constructor(private readonly parts: ReporterParts) {
    this.wake = new Wake(parts.clock);
    parts.signal.addEventListener('abort', this.wake.ring, { once: true });
  }

  /** From now on this is what holds. */
  set(namespaces: ConfigReport['namespaces']): void {
    this.namespaces = namespaces;
    this.wake.ring();
  }

  /** Once. @throws as the center */
  send(signal = this.parts.signal): Promise<void> {
    const { center, labels, ttlMs } = this.parts;
    return center.report({ incarnation: this.incarnation, labels, ttlMs, namespaces: this.namespaces }, signal);
  }

  /** Until the signal ends it. */
  async run(): Promise<void> {
    const { signal, logger, ttlMs } = this.parts;
    const everyMs = ttlMs / 3;
    let pauseMs = 0;
    let grownMs = 0;
    for (;;) {
      await this.wake.wait(pauseMs);
      if (signal.aborted) return;
      try {
        await this.send();
        if (!this.isHeard) logger.info({}, 'the configuration center hears from this instance again');
        this.isHeard = true;
        grownMs = 0;
        pauseMs = everyMs * (0.8 + 0.2 * Math.random());
      } catch (error) {
        if (signal.aborted) return;
        const answer = error instanceof TercetError ? error : null;
        // Nobody asks for reports where nothing was ever released.
        const isAsked = answer?.status !== 404;
        const message = 'the configuration center does not hear what this instance has taken; it is told again';
        if (this.isHeard && isAsked) logger.warn({ error: String(error) }, message);
        this.isHeard &&= !isAsked;
        // It may be back any moment; what it refuses it will refuse again.
        const isRefused = answer !== null && answer.status < 500;
        grownMs = isRefused ? everyMs : Math.min(everyMs, Math.max(FIRST_PAUSE_MS, grownMs * 2));
        pauseMs = grownMs * (0.5 + Math.random() / 2);
      }
    }
  }
}

/** Of a rejected answer all is rejected that differs from what was taken: it comes into force together or not at all. */
export function reportOf(
  { namespaces, secrets = false }: Pick<TercetConfigOptions, 'namespaces' | 'secrets'>,
  taken: ValuesView | null,
  rejected: Rejected | null,
): ConfigReport['namespaces'] {
  const report: ConfigReport['namespaces'] = {};
  // From the checksum of what holds a secret in clear, a weak one could be guessed.
  const stamped = ({ release, content }: Given) => (secrets ? { release } : { release, checksum: checksumOf(content) });
  for (const name of namespaces) {
    const has = taken?.namespaces[name];
    const should = rejected?.values.namespaces[name];
    if (rejected && should && should.release !== has?.release) {
      report[name] = { ...stamped(should), state: 'rejected', reason: reasonOf(rejected.error) };
    } else if (has) {
      report[name] = { ...stamped(has), state: 'applied' };
    }
  }
  return report;
}
