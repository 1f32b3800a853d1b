/** What is measured: a transaction through the coordinator, and the calls that it makes, made without it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Post } from './post.js';

export const MODES = ['tcc', 'saga', 'message'] as const;
export type Mode = (typeof MODES)[number];

export interface Work {
  readonly mode: Mode;
  readonly branches: number;
}

const COMPONENT = 'noop';
/** As many calls at a time as there are initiators: the component itself holds nobody up. */
const CONCURRENCY = 10_000;
/** 200: it was there already, from a begin whose outcome was not known. */
const BEGUN = [200, 201, 202];
const REFUSED = 429;
/** Not ready, and outcome unknown: what a coordinator answers that is in doubt about its lease or its last commit. */
const IN_DOUBT = [503, 504];
/** Longer than any pause of a host that a measurement survives. */
const REPEAT_FOR_MS = 30_000;
/** Before it is asked again, where it does not say when. */
const MOMENT_MS = 200;

export const branchNames = (count: number): string[] => Array.from({ length: count }, (_, index) => `b${index}`);

export async function register(
  post: Post,
  url: string,
  participant: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const body = JSON.stringify({ url: participant, concurrency: CONCURRENCY });
  await post.send('PUT', `${url}/v1/components/${COMPONENT}`, body, [200, 201], headers);
}

export interface Asking {
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether 429 is an answer. */
  readonly mayRefuse?: boolean;
  /** No request is repeated after it. */
  readonly signal?: AbortSignal;
}

export interface Begun extends Answer {
  /** Whether a request was answered 503 or 504 at first. */
  readonly wasRepeated: boolean;
}

/**
 * Begins one; a message is committed too. What is answered 503 or 504 is repeated with the same gid, as the wire asks for.
 *
 * @returns how the begin was answered: only where `mayRefuse` with 429
 */
export async function throughCoordinator(
  post: Pick<Post, 'send'>,
  url: string,
  { mode, branches }: Work,
  gid: string,
  { headers = {}, mayRefuse = false, signal }: Asking = {},
): Promise<Begun> {
  const payload = { amount: 1 };
  const parts = branchNames(branches).map((branchId) => ({ branchId, component: COMPONENT, payload }));
  const body =
    mode === 'message'
      ? { mode, gid, check: { component: COMPONENT }, deliveries: parts }
      : { mode, gid, branches: parts };
  const until = performance.now() + REPEAT_FOR_MS;
  let wasRepeated = false;
  const sent = async (path: string, text: string, good: readonly number[]): Promise<Answer> => {
    for (;;) {
      const expected = performance.now() < until ? [...good, ...IN_DOUBT] : good;
      const answer = await post.send('POST', `${url}/v1/transactions${path}`, text, expected, headers);
      if (good.includes(answer.status)) return answer;
      wasRepeated = true;
      await sleep(answer.retryAfterMs || MOMENT_MS);
      signal?.throwIfAborted();
    }
  };
  const answer = await sent('', JSON.stringify(body), mayRefuse ? [...BEGUN, REFUSED] : BEGUN);
  if (mode === 'message' && answer.status !== REFUSED) await sent(`/${gid}/submit`, '{"wait":"settled"}', [200]);
  return { ...answer, wasRepeated };
}

/** The same calls, with the same bodies, in the same order: side by side, or for a saga one after the other. */
export async function withoutCoordinator(
  post: Post,
  participant: string,
  { mode, branches }: Work,
  gid: string,
): Promise<void> {
  const call = bareCall(post, participant, mode);
  const names = branchNames(branches);
  const sideBySide = (op: string): Promise<unknown> => Promise.all(names.map((branch) => call(branch, op, gid)));
  if (mode === 'saga') for (const branch of names) await call(branch, 'action', gid);
  else if (mode === 'message') await sideBySide('deliver');
  else {
    await sideBySide('try');
    await sideBySide('confirm');
  }
}

/** One call as the coordinator sends it. */
export function bareCall(
  post: Post,
  participant: string,
  mode: Mode,
): (branchId: string, op: string, gid: string) => Promise<unknown> {
  return (branchId, op, gid) => {
    const about = `"attempt":1,"mode":"${mode}","component":"${COMPONENT}","beganAt":"2026-11-21T00:00:00.000Z"`;
    const body = `{"gid":"${gid}","branchId":"${branchId}","op":"${op}",${about},"payload":{"amount":1},"reply":null}`;
    return post.send('POST', `${participant}/${op}`, body, [200]);
  };
}
