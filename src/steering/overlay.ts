/** A component as it is called: what it registered with, and over it what a release says. */
import type { Component } from '../engine/ports.js';
import type { ComponentEffective } from '../protocol/config.js';
import { COMPONENT_KEYS } from './keys.js';
import type { ComponentPath, ComponentValues, Kind } from './keys.js';

const PATHS = Object.keys(COMPONENT_KEYS) as ComponentPath[];

/** Those of one kind; null: there are none. */
export function ofKind(values: ComponentValues, kind: Kind): ComponentValues | null {
  const paths = PATHS.filter((path) => COMPONENT_KEYS[path].kind === kind && values[path] !== undefined);
  return paths.length === 0 ? null : Object.fromEntries(paths.map((path) => [path, values[path]]));
}

/** @param values pinned ones and live ones, from wherever each comes */
export function overlaid(registered: Component, values: ComponentValues): Component {
  const { callsPerSecond = registered.callsPerSecond, concurrency = registered.concurrency } = values;
  const { timeoutMs = registered.timeoutMs } = values;
  const retry = { ...registered.retry, ...under('retry.', values) };
  const check = { ...registered.check, ...under('check.', values) };
  return { ...registered, timeoutMs, concurrency, callsPerSecond, retry, check };
}

/** What counts for a transaction that is begun now, and where each value comes from. */
export function effectiveOf(
  registered: Pick<Component, 'timeoutMs' | 'concurrency' | 'retry' | 'check'>,
  values: ComponentValues,
  release: number | null,
): ComponentEffective {
  const { timeoutMs, concurrency, retry, check } = registered;
  const own: Component = {
    name: '',
    callsPerSecond: null,
    targets: {},
    instances: () => [],
    timeoutMs,
    concurrency,
    retry,
    check,
  };
  const found = overlaid(own, values);
  const sources = PATHS.map((path) => {
    if (values[path] !== undefined) return [path, `release ${release}`] as const;
    return [path, COMPONENT_KEYS[path].standard === 'registration' ? 'registration' : 'default'] as const;
  });
  return {
    paused: values.paused ?? false,
    concurrency: found.concurrency,
    callsPerSecond: found.callsPerSecond,
    timeoutMs: found.timeoutMs,
    retry: found.retry,
    check: found.check,
    sources: Object.fromEntries(sources),
  };
}

function under(prefix: string, values: ComponentValues): object {
  return Object.fromEntries(
    Object.entries(values).flatMap(([path, value]) =>
      path.startsWith(prefix) ? [[path.slice(prefix.length), value]] : [],
    ),
  );
}
