/** What a valid begin asks the coordinator for, whichever way it came. */
import type { z } from 'zod';
import type { begin, beginMessage } from './begin.js';
import { contentHash, payloadText } from './body.js';
import { CHECK_BRANCH } from './words.js';

/**
 * @param body the request as it was sent: what says whether a repeated one is the same
 * @throws TercetError TERCET_REQUEST_TOO_LARGE naming the payload
 */
export function requestOf(asked: z.output<typeof begin>, body: unknown) {
  const { mode, drive, businessKey = null } = asked;
  return { contentHash: contentHash(body), mode, drive, businessKey, ...planOf(asked) };
}

function planOf(asked: z.output<typeof begin>) {
  if (asked.mode === 'message') return messageOf(asked);
  const { deadlineMs = null, branches: given = [] } = asked;
  const branches = given.map((branch, index) => withText(branch, `branches[${index}]`));
  if (asked.mode === 'tcc') return { deadlineMs, branches };
  return { deadlineMs, branches, saga: { recovery: asked.recovery, parallel: asked.parallel } };
}

/** Its first branch is the check. */
function messageOf({ check: asked, deliveries, deliverAt }: z.output<typeof beginMessage>) {
  const { component, payload, ...check } = asked;
  const branches = deliveries.map((delivery, index) => {
    const { topic, key = null, headers = {}, component: to = '', ...rest } = withText(delivery, `deliveries[${index}]`);
    return { ...rest, component: to, topic: topic === undefined ? null : { topic, key, headers } };
  });
  const first = withText({ branchId: CHECK_BRANCH, component, payload }, 'check');
  return { deadlineMs: null, branches: [first, ...branches], message: { check, deliverAt: deliverAt ?? null } };
}

function withText<B extends { payload?: unknown }>(branch: B, path: string) {
  return { ...branch, payload: payloadText(branch.payload, `${path}.payload`) };
}
