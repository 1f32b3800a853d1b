/** A TCC that its initiator drives: it calls `try` itself, the coordinator confirms or cancels. */
import { linked } from '../platform/linked.js';
import { HEADERS } from '../protocol/words.js';
import type { Json, TransactionView } from '../protocol/words.js';
import type { RegisteredBranch, TercetClient } from './client.js';
import { described, reasonOf, Refused, TercetError } from './errors.js';
import type { WaitOptions } from './requests.js';
import { pause } from './transport.js';

export interface TccRequest extends WaitOptions {
  gid?: string;
  businessKey?: string;
  /** Submitted by then or aborted, in ms from the begin; default 30000. */
  deadlineMs?: number;
}

export interface TccScope {
  readonly gid: string;
  /**
   * Records a branch, calls its `try` and gives its reply.
   *
   * @throws Refused when the participant said no; TercetError TERCET_OPERATION_FAILED when it did not say
   */
  try(branchId: string, component: string, payload?: unknown): Promise<Json>;
}

export interface TccDone<T> {
  transaction: TransactionView;
  /** What the work returned. */
  result: T;
}

/** How often a try is sent that is not answered; a repeated try is harmless (the fence). */
const TRY_ATTEMPTS = 3;
const PAUSE_MS = 200;
/** What the coordinator takes when no deadline is given. */
const DEFAULT_DEADLINE_MS = 30_000;
/** How long an abort may take when the deadline is near or over. */
const MIN_ABORT_MS = 1000;
/** A signature is good for minutes only. */
const FRESH_MS = 60_000;
/** Timers of Node last no longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export async function runTcc<T>(
  client: TercetClient,
  { gid: given, businessKey, deadlineMs, ...waiting }: TccRequest,
  work: (tx: TccScope) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<TccDone<T>> {
  const options = signal ? { signal } : {};
  const deadline = performance.now() + (deadlineMs ?? DEFAULT_DEADLINE_MS);
  const { gid } = await client.begin(
    {
      ...(given === undefined ? {} : { gid: given }),
      drive: 'initiator',
      ...(businessKey === undefined ? {} : { businessKey }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    },
    options,
  );
  const trying = linked(signal);
  const tries: Promise<Json>[] = [];
  let result: T;
  try {
    result = await work({
      gid,
      try: (branchId, component, payload = null) => {
        const register = () => client.register(gid, { branchId, component, payload }, { signal: trying.signal });
        const tried = callTry(register, deadline, trying.signal);
        tries.push(tried);
        // The work may not look at it; then it is heard of below.
        tried.catch(() => undefined);
        return tried;
      },
    });
    // A branch whose try is not done cannot be confirmed, whatever the work made of it.
    await Promise.all(tries);
    signal?.throwIfAborted();
  } catch (error) {
    trying.abort(error);
    const reason = reasonOf(error);
    // Without the signal: it may be the reason for the abort. If this fails too, the deadline aborts, so that there is
    // nothing to wait for after it.
    const leftMs = Math.max(MIN_ABORT_MS, Math.round(deadline - performance.now()));
    const late = AbortSignal.timeout(Math.min(leftMs, MAX_TIMER_MS));
    await client.abort(gid, { reason, ...waiting, signal: late }).catch(() => undefined);
    throw error;
  } finally {
    trying.end();
  }
  // From here on nothing aborts: the submit may have arrived, whatever is heard of it.
  return { transaction: await client.submit(gid, { ...waiting, ...options }), result };
}

/**
 * @param register records the branch; again, it gives the same call with a new signature, perhaps to another instance
 * @param deadline when asking for pending work ends, on the clock of `performance.now`
 */
async function callTry(
  register: () => Promise<RegisteredBranch>,
  deadline: number,
  signal: AbortSignal,
): Promise<Json> {
  let { branchId, call } = await register();
  let freshUntil = performance.now() + FRESH_MS;
  let hasFailed = false;
  let last = 'it was not sent, the deadline had passed';
  for (let failures = 0; failures < TRY_ATTEMPTS && performance.now() < deadline;) {
    // Where one instance did not answer, another one may.
    if (hasFailed || (call.headers[HEADERS.signature] !== undefined && performance.now() > freshUntil)) {
      ({ branchId, call } = await register());
      freshUntil = performance.now() + FRESH_MS;
      hasFailed = false;
    }
    const timeoutMs = Number(call.headers[HEADERS.timeoutMs]) || 3000;
    const bound = linked(signal, timeoutMs);
    let pauseMs = PAUSE_MS;
    try {
      const response = await fetch(call.url, {
        method: 'POST',
        headers: call.headers,
        body: call.body,
        redirect: 'manual',
        signal: bound.signal,
      });
      const text = await response.text();
      if (response.ok) return text === '' ? null : (JSON.parse(text) as Json);
      const reason = response.status === 409 ? reasonIn(text) : null;
      if (reason !== null) throw new Refused(reason);
      last = `answered ${response.status}`;
      // Pending uses up no attempt.
      if (response.status === 425) pauseMs = 1000 * Number(response.headers.get('retry-after')) || PAUSE_MS;
      else hasFailed = true;
    } catch (error) {
      if (error instanceof Refused) throw error;
      signal.throwIfAborted();
      last = described(error);
      hasFailed = true;
    } finally {
      bound.end();
    }
    if (hasFailed) failures += 1;
    const leftMs = Math.max(0, deadline - performance.now());
    if (failures < TRY_ATTEMPTS) await pause(Math.min(pauseMs, leftMs), signal);
  }
  const detail = `the try of branch '${branchId}' at ${call.url} was not done in time; the last time: ${last}`;
  throw TercetError.of('TERCET_OPERATION_FAILED', detail);
}

function reasonIn(text: string): string | null {
  try {
    const body = JSON.parse(text) as { reason?: unknown } | null;
    return typeof body?.reason === 'string' ? body.reason : null;
  } catch {
    return null;
  }
}
