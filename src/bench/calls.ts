/** What is measured: a transaction through the coordinator, and the calls that it makes, made without it. */
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
const BEGUN = [201, 202];
const REFUSED = 429;

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

/** Begins one; a message is committed too. @returns how the begin was answered: only where `mayRefuse` with 429 */
export async function throughCoordinator(
  post: Post,
  url: string,
  { mode, branches }: Work,
  gid: string,
  { headers = {}, mayRefuse = false }: { headers?: Readonly<Record<string, string>>; mayRefuse?: boolean } = {},
): Promise<Answer> {
  const payload = { amount: 1 };
  const parts = branchNames(branches).map((branchId) => ({ branchId, component: COMPONENT, payload }));
  const body =
    mode === 'message'
      ? { mode, gid, check: { component: COMPONENT }, deliveries: parts }
      : { mode, gid, branches: parts };
  const expected = mayRefuse ? [...BEGUN, REFUSED] : BEGUN;
  const answer = await post.send('POST', `${url}/v1/transactions`, JSON.stringify(body), expected, headers);
  if (mode === 'message' && answer.status !== REFUSED) {
    const submit = `${url}/v1/transactions/${gid}/submit`;
    await post.send('POST', submit, '{"wait":"settled"}', [200], headers);
  }
  return answer;
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
