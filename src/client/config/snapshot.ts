/** All that a service was given at one time: it belongs together, and nobody changes it. */
import { checksumOf } from '../../config/canonical.js';
import { deepFreeze } from '../../config/deep-freeze.js';
import type { ConfigContent, ValuesView } from '../../protocol/config.js';

/** What `get` gives for a namespace: what its parser makes, or the content itself. */
export type ValueOf<V extends object, N extends string> = N extends keyof V ? V[N] : ConfigContent;
export type Parsers = Readonly<Record<string, (content: ConfigContent) => unknown>>;

/** Nothing is released, or nothing is known of it. */
export function nothingIn(environment: string): ValuesView {
  return { environment, revision: 0, checksum: checksumOf({}), namespaces: {} };
}

export class ConfigSnapshot<V extends object = object> {
  /** Of the environment; 0: nothing was released yet. */
  readonly revision: number;
  readonly checksum: string;
  /** Of each namespace that was asked for; null: none is in force. */
  readonly releases: Readonly<Record<string, number | null>>;
  private readonly values: Readonly<Record<string, unknown>>;

  /** @throws Error: the parser of a namespace does not take its content; the message names the namespace */
  constructor(view: ValuesView, asked: readonly string[], parsers: Parsers) {
    this.revision = view.revision;
    this.checksum = view.checksum;
    const given = (name: string) => (Object.hasOwn(view.namespaces, name) ? view.namespaces[name] : undefined);
    this.releases = deepFreeze(Object.fromEntries(asked.map((name) => [name, given(name)?.release ?? null])));
    // A parser may keep what it gets, and change nothing of it.
    const parsed = asked.map((name) => [name, parse(name, deepFreeze(given(name)?.content ?? {}), parsers[name])]);
    this.values = deepFreeze(Object.fromEntries(parsed) as Record<string, unknown>);
    Object.freeze(this);
  }

  /** @throws RangeError: the namespace was not asked for */
  get<N extends string>(namespace: N): ValueOf<V, N> {
    if (Object.hasOwn(this.values, namespace)) return this.values[namespace] as ValueOf<V, N>;
    throw new RangeError(`'${namespace}' is none of the namespaces that were asked for`);
  }
}

function parse(name: string, content: ConfigContent, parser: Parsers[string] | undefined): unknown {
  if (!parser) return content;
  let value: unknown;
  try {
    value = parser(content);
  } catch (cause) {
    throw new Error(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (!(value instanceof Promise)) return value;
  value.catch(() => undefined);
  throw new Error(`${name}: its parser is asynchronous; it must give the value itself`);
}
