/** A TCC as it stands in the log when it has begun: what goes straight there has no coordinator to make it. */

/** @param branchIds of its branches, each of the component `noop` @param more what differs */
export function openTransaction(gid, branchIds, more = {}) {
  const now = Date.now();
  const branches = branchIds.map((branchId) => ({
    branchId,
    component: 'noop',
    payload: '{"amount":1}',
    state: 'started',
    attempts: 0,
    tries: 0,
    since: now,
    retryAt: null,
    reply: null,
    gaveUp: null,
    plan: null,
    span: null,
    topic: null,
  }));
  const none = { businessKey: null, decision: null, reason: null, parked: null, decidedAt: null, endedAt: null };
  const nothing = { plan: null, message: null, trace: null, release: null, deadlineAt: null };
  const fixed = { gid, mode: 'tcc', drive: 'coordinator', status: 'open', beganAt: now, ...none, ...nothing };
  return { ...fixed, branches, ...more };
}
