/** What a service says of the configuration that it wants. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import { keyOf } from '../../config/sealed-text.js';
import type { Clock, Logger } from '../../platform/surroundings.js';
import { CONFIG_LIMITS, ENVIRONMENT_NAME, LABEL, NAMESPACE_NAME } from '../../protocol/config.js';
import type { ConfigContent } from '../../protocol/config.js';
import { IDENTIFIER } from '../../protocol/words.js';
import type { ClientOptions } from '../transport.js';

const REPORT_TTL_MS = { from: 1000, to: 600_000 };

export interface LastGoodOptions {
  /** Of this service alone; made if it is not there. */
  readonly folder: string;
  /** A copy that the center has not confirmed for longer is not used; default 24 h. */
  readonly maxAgeMs?: number;
  /** 32 bytes, as text in base64: the copy is encrypted with it, and no other is taken. Needed with `secrets`. */
  readonly key?: Uint8Array | string;
}

/** @typeParam V what the parsers of the namespaces make of their contents */
export interface TercetConfigOptions<V extends object = object> extends Pick<ClientOptions, 'url' | 'key'> {
  readonly environment: string;
  readonly namespaces: readonly string[];
  /** Of this process, unique in the environment; a gray release finds it by its name. Default: host, process id, random. */
  readonly instance?: string;
  /** By which a gray release finds this instance, too. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Whether secrets come in clear, for which the key needs `config-reader=ENVIRONMENT`; else they are masked. Of what
   * parsers and listeners throw, only the class is logged and reported then: the message may quote a secret. Default false.
   */
  readonly secrets?: boolean;
  /**
   * Makes of a content what the program uses; what it throws rejects the release. It gets `{}` where nothing is in
   * force: the place for defaults. A namespace without one is given as it is.
   */
  readonly parse?: { readonly [N in keyof V]: (content: ConfigContent) => V[N] };
  /** Keeps what was taken last on disk, for starts while the center is away. Default: nothing is kept. */
  readonly lastGood?: LastGoodOptions;
  /** `defaults`: what the parsers make of `{}` is used until the center is there. Default: `throw`. */
  readonly whenUnavailable?: 'throw' | 'defaults';
  /** An ioredis that many processes share: one of them gets the contents from the center, the others its copy. */
  readonly redis?: Redis;
  /** 32 bytes, as text in base64, the same in all processes: copies are encrypted. With `secrets`, none is made without it. */
  readonly copyKey?: Uint8Array | string;
  /** The center counts this process as gone after so long without a report; it is sent three times as often. Default 15 s. */
  readonly reportTtlMs?: number;
  /** Default: nothing is logged; see `status`. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface Asked {
  readonly environment: string;
  readonly namespaces: readonly string[];
  readonly instance: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly secrets: boolean;
}

const SILENT: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
/** Waiting for the next change keeps no process alive. */
const BACKGROUND_CLOCK: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** @throws RangeError naming the option that makes no sense */
export function settled<V extends object>(options: TercetConfigOptions<V>) {
  const { environment, namespaces, labels = {}, secrets = false, lastGood, copyKey, reportTtlMs = 15_000 } = options;
  const { instance = nameOfProcess(), logger = SILENT, clock = BACKGROUND_CLOCK } = options;
  must(ENVIRONMENT_NAME.test(environment), `environment '${environment}' must be 1 to 48 of a-z 0-9 -, not - first`);
  const isList = namespaces.length >= 1 && namespaces.length <= CONFIG_LIMITS.namespaces;
  must(
    isList && new Set(namespaces).size === namespaces.length,
    `namespaces must name 1 to ${CONFIG_LIMITS.namespaces}, each once`,
  );
  for (const name of namespaces) must(NAMESPACE_NAME.test(name), `namespace '${name}' must be 1 to 64 of a-z 0-9 . -`);
  for (const name of Object.keys(options.parse ?? {})) {
    must(namespaces.includes(name), `parse.${name} is for a namespace that is not asked for`);
  }
  must(IDENTIFIER.test(instance), `instance '${instance}' must have 1 to 128 characters of A-Z a-z 0-9 . _ : -`);
  const pairs = Object.entries(labels);
  must(pairs.length <= CONFIG_LIMITS.labels, `labels must be ${CONFIG_LIMITS.labels} at most`);
  for (const [name, value] of pairs) {
    must(
      LABEL.test(name) && LABEL.test(value),
      `label '${name}=${value}' must be 1 to 63 of A-Z a-z 0-9 . _ - on each side`,
    );
  }
  const isTtl = reportTtlMs >= REPORT_TTL_MS.from && reportTtlMs <= REPORT_TTL_MS.to;
  must(isTtl, `reportTtlMs is ${reportTtlMs}; it must be from ${REPORT_TTL_MS.from} to ${REPORT_TTL_MS.to}`);
  must(!secrets || !lastGood || lastGood.key !== undefined, 'lastGood.key is needed where secrets come in clear');
  const asked: Asked = { environment, namespaces, instance, labels, secrets };
  const keys = {
    copy: copyKey === undefined ? null : keyOf('copyKey', copyKey),
    lastGood: lastGood?.key === undefined ? null : keyOf('lastGood.key', lastGood.key),
  };
  return { asked, keys, reportTtlMs, logger, clock };
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new RangeError(what);
}

function nameOfProcess(): string {
  const host = hostname().replace(/[^A-Za-z0-9._:-]/g, '-');
  return `${host.slice(0, 100)}-${process.pid}-${randomBytes(3).toString('hex')}`;
}
