import { setMaxListeners } from 'node:events';

/**
 * A signal for one piece of work, that aborts with another one, which may live as long as the process, or after a time.
 * `AbortSignal.any` leaves an entry in that one for each piece of work (Node 20); this one takes it out again.
 */
export interface Linked {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
  /** The work is over: nothing aborts it any more. */
  end(): void;
}

/** @param ms after which it aborts with a TimeoutError; default: never */
export function linked(to: AbortSignal | undefined, ms?: number): Linked {
  const own = new AbortController();
  const follow = (): void => own.abort(to?.reason);
  const late = (): void => own.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError'));
  // Many pieces of work at a time are no leak, of which Node would warn from the eleventh on.
  if (to) setMaxListeners(Infinity, to);
  if (to?.aborted) follow();
  else to?.addEventListener('abort', follow);
  const timer = ms === undefined ? undefined : setTimeout(late, ms).unref();
  return {
    signal: own.signal,
    abort: (reason) => own.abort(reason),
    end() {
      clearTimeout(timer);
      to?.removeEventListener('abort', follow);
    },
  };
}
