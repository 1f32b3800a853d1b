/** What a configuration is made of, by its options. */
import { SharedPull } from '../../config/shared-pull.js';
import type { Clock, Logger } from '../../platform/surroundings.js';
import { Center } from './center.js';
import { LastGood } from './last-good.js';
import { settled } from './options.js';
import type { TercetConfigOptions } from './options.js';
import { Reporter } from './reporter.js';

export interface Parts<V extends object> {
  readonly options: TercetConfigOptions<V>;
  readonly instance: string;
  readonly center: Center;
  readonly shared: SharedPull | null;
  readonly lastGood: LastGood | null;
  readonly reporter: Reporter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly over: AbortController;
}

/** @throws RangeError: an option makes no sense */
export function partsOf<V extends object>(options: TercetConfigOptions<V>): Parts<V> {
  const { asked, keys, reportTtlMs: ttlMs, logger, clock } = settled(options);
  const over = new AbortController();
  const { redis, lastGood: kept, url, key } = options;
  // Of secrets no copy lies about in clear.
  const isShared = redis !== undefined && (!asked.secrets || keys.copy !== null);
  const shared = isShared ? new SharedPull({ redis, copyKey: keys.copy, clock, logger }) : null;
  const from = { ...(url === undefined ? {} : { url }), ...(key === undefined ? {} : { key }) };
  const center = new Center(asked, from, shared);
  const { environment, namespaces, secrets } = asked;
  const place = { environment, namespaces, secrets, instance: options.instance ?? null };
  const lastGood = kept ? new LastGood({ ...kept, key: keys.lastGood, place, clock, logger }) : null;
  const reporter = new Reporter({ center, labels: asked.labels, ttlMs, clock, logger, signal: over.signal });
  return { options, instance: asked.instance, center, shared, lastGood, reporter, clock, logger, over };
}

/** Of what keeps connections or writes. */
export async function closed<V extends object>({ shared, lastGood }: Parts<V>): Promise<void> {
  await shared?.close();
  await lastGood?.close();
}
