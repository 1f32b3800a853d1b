/** The participants of a test: the user's functions, by component and operation. */
import type { Component, ComponentDirectory } from '../../engine/ports.js';
import { DEFAULT_CHECK, DEFAULT_RETRY, IDENTIFIER } from '../../protocol/words.js';
import type { Json, ParticipantCall, RetryPolicy } from '../../protocol/words.js';
import { operationOf } from '../operation.js';
import type { GuardedOp } from '../operation.js';

const OPS: readonly TestOp[] = ['try', 'confirm', 'cancel', 'action', 'compensate', 'deliver', 'check'];
const SETTINGS = ['timeoutMs', 'retry'];
const DEFAULT_TIMEOUT_MS = 3000;
const CONCURRENCY = 1000;

/** What a function of a component gets. */
export interface TestCall<Payload = Json, Reply = Json> extends Omit<ParticipantCall, 'payload' | 'reply'> {
  payload: Payload;
  /** What the try or action answered; null in itself, and where none is known. */
  reply: Reply | null;
}

/** What a component may have: what the fence guards, and the check of messages, which it does not need to. */
export type TestOp = GuardedOp | 'check';

/** Returns the reply, or `new Pending()`, or throws `Refused` to say no. Any other error is an answer 500. */
type Work = { work(call: TestCall<unknown, unknown>): unknown }['work'];

/**
 * The operations of a component, `action` and perhaps `compensate`, or `try`, `confirm` and `cancel`; of messages `deliver`,
 * and `check`: it returns where the local transaction has committed, throws `Refused` where it never will, and returns
 * `new Pending()` while it is open.
 */
export interface TestComponent extends Partial<Record<TestOp, Work>> {
  /** How long one call may take; default 3000. Only planned timeouts use it up: the functions take no virtual time. */
  timeoutMs?: number;
  /** What differs from the coordinator's defaults. */
  retry?: Partial<RetryPolicy>;
}

/** By name. */
export type TestComponents = Record<string, TestComponent>;

/** The operations that a component has. */
export type OpOf<C> = C extends unknown ? Extract<keyof C, TestOp> : never;

/**
 * A provider with the SDK's decorators, as a component of a test.
 *
 * @param manager what its methods get as `manager`: your own stand-in. Nothing rolls it back
 */
export function decorated(
  provider: object,
  { manager, ...settings }: { manager?: unknown } & Pick<TestComponent, 'timeoutMs' | 'retry'> = {},
): TestComponent {
  const found: TestComponent = { ...settings };
  const methods = provider as Record<string, unknown>;
  for (let at: unknown = provider; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      const op = operationOf(methods[name]);
      if (op) found[op] ??= (call) => (methods[name] as (call: unknown) => unknown)({ ...call, manager });
    }
  }
  return found;
}

/** What the coordinator knows of them. @throws TypeError naming what is no component */
export function directoryOf(components: TestComponents): ComponentDirectory {
  const known = new Map(Object.entries(components).map(([name, component]) => [name, described(name, component)]));
  return { get: (name) => known.get(name), find: async (name) => known.get(name) };
}

function described(name: string, component: TestComponent): Component {
  if (!IDENTIFIER.test(name))
    throw new TypeError(`components: '${name}' must be 1 to 128 characters of A-Z a-z 0-9 . _ : -`);
  const odd = Object.keys(component).find((key) => !SETTINGS.includes(key) && !OPS.includes(key as TestOp));
  if (odd !== undefined)
    throw new TypeError(`component '${name}': '${odd}' is none of ${[...OPS, ...SETTINGS].join(', ')}`);
  const ops = OPS.filter((op) => component[op] !== undefined);
  if (ops.length === 0)
    throw new TypeError(
      `component '${name}' has no operation: give it an action, or try, confirm, cancel, or deliver or check`,
    );
  return {
    name,
    timeoutMs: component.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    concurrency: CONCURRENCY,
    callsPerSecond: null,
    retry: { ...DEFAULT_RETRY, ...component.retry },
    check: DEFAULT_CHECK,
    targets: Object.fromEntries(ops.map((op) => [op, `test://${name}/${op}`])),
    instances: () => [],
  };
}
