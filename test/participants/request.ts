/** Calls for tests of the participants. */
import type { Branch } from '../../src/domain/transaction.js';
import type { CallRequest, Component } from '../../src/engine/ports.js';
import { DEFAULT_CHECK, DEFAULT_RETRY } from '../../src/protocol/words.js';
import { branch, transaction } from '../contract/sample.js';

export function component(url: string, over: Partial<Component> = {}): Component {
  return {
    name: 'account',
    timeoutMs: 3000,
    concurrency: 256,
    callsPerSecond: null,
    retry: DEFAULT_RETRY,
    check: DEFAULT_CHECK,
    targets: { try: `${url}/try`, confirm: `${url}/confirm`, cancel: `${url}/cancel` },
    instances: () => [],
    ...over,
  };
}

/** A first try of the branch `a`. */
export function request(
  to: string | Component,
  over: Partial<CallRequest> & { branchOver?: Partial<Branch> } = {},
): CallRequest {
  const { branchOver, ...rest } = over;
  const called = branch('a', branchOver);
  return {
    tx: transaction({ gid: 'order-17', branches: [called] }),
    branch: called,
    op: 'try',
    attempt: 1,
    component: typeof to === 'string' ? component(to) : to,
    mayLeave: () => true,
    leaveBy: () => Infinity,
    wake: () => undefined,
    whenStopped: () => undefined,
    ...rest,
  };
}
