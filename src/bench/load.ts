/** Load of two kinds, and the latencies it meets. Times are in ms. */
import { Trouble } from './trouble.js';

/** More that wait for an answer at a time, and the rate is beyond what is measured. */
const MOST_WAITING = 20_000;

export interface Clock {
  now(): number;
  sleep(ms: number): Promise<void>;
}

export interface Span {
  readonly warmUpMs: number;
  /** Of what is measured, after the warm-up. */
  readonly forMs: number;
}

/** One transaction. */
export type Once = () => Promise<void>;

export interface Load {
  /** Of what is measured. */
  readonly latencies: number[];
  readonly perSecond: number;
  /** All that ended, those of the warm-up too. */
  readonly total: number;
}

/** So many initiators, each with one transaction after another. What ends within the span after the warm-up counts. */
export async function closedLoop(
  initiators: number,
  { warmUpMs, forMs }: Span,
  once: Once,
  clock: Clock,
  signal?: AbortSignal,
): Promise<Load> {
  const latencies: number[] = [];
  let total = 0;
  let hasFailed = false;
  const from = clock.now() + warmUpMs;
  const until = from + forMs;
  const initiator = async (): Promise<void> => {
    while (!hasFailed) {
      signal?.throwIfAborted();
      const start = clock.now();
      if (start >= until) return;
      await once();
      const end = clock.now();
      total += 1;
      if (end >= from && end <= until) latencies.push(end - start);
    }
  };
  const stopAll = (error: unknown): never => {
    hasFailed = true;
    throw error;
  };
  await Promise.all(Array.from({ length: initiators }, () => initiator().catch(stopAll)));
  return { latencies, perSecond: (latencies.length * 1000) / forMs, total };
}

/**
 * Transactions at their scheduled times, whether or not earlier ones have been answered; the latency of each counts from
 * the time it was scheduled for, so that one that had to wait for a stall says so (no coordinated omission).
 *
 * @throws Trouble when more wait than can be answered at this rate
 */
export async function fixedRate(
  perSecond: number,
  { warmUpMs, forMs }: Span,
  once: Once,
  clock: Clock,
  signal?: AbortSignal,
): Promise<Load> {
  const latencies: number[] = [];
  const under = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | null = null;
  const start = clock.now();
  // Up, so that the last one is in the span, however slow the rate.
  const count = Math.ceil((perSecond * (warmUpMs + forMs)) / 1000);
  const send = async (at: number): Promise<void> => {
    await once().catch((error: unknown) => (failure ??= { error }));
    if (at >= start + warmUpMs) latencies.push(clock.now() - at);
  };
  for (let index = 0; index < count && failure === null; index += 1) {
    const at = start + (index * 1000) / perSecond;
    while (clock.now() < at) await clock.sleep(at - clock.now());
    signal?.throwIfAborted();
    if (under.size >= MOST_WAITING) throw tooFast(perSecond);
    const sent = send(at);
    under.add(sent);
    void sent.finally(() => under.delete(sent));
  }
  await Promise.all(under);
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
  // The last was scheduled before the end of the span: its answer may be there before, too.
  const measuredMs = Math.max(forMs, clock.now() - start - warmUpMs);
  return { latencies, perSecond: (latencies.length * 1000) / measuredMs, total: count };
}

function tooFast(perSecond: number): Trouble {
  const next = 'give a lower --rate; `--rate half` takes half of what the closed loop reached';
  return new Trouble(
    `${perSecond.toFixed(0)} a second are more than can be answered: ${MOST_WAITING} wait already`,
    next,
  );
}
