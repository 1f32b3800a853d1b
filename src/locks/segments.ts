/**
 * A lock in several segments, for what everybody wants at once: each segment has a part of it and a lock of its own, and
 * whoever comes takes one that is free.
 *
 * What it costs: with little left, that is spread over the segments, and whoever finds his own empty has to look at the
 * others before he knows that nothing is left. Where one conditional UPDATE says the same, none of this is needed.
 */
import { CodedError } from '../platform/coded-error.js';
import type { Held } from './held.js';
import type { LockClass } from './lock.js';
import type { LockOptions, Locks } from './locks.js';

/** The work says it: this segment has nothing. `run` answers it: none of them has. */
export const NOTHING_HERE: unique symbol = Symbol('nothing here');

/** What the work gets: one segment, and the lock of it. */
export interface HeldSegment<C extends LockClass> extends Pick<Held<C>, 'name' | 'token' | 'signal' | 'check'> {
  readonly segment: number;
}

export interface SegmentedOptions extends LockOptions {
  /** Segments that still have something as far as the caller knows: they come first, the others after them. */
  readonly prefer?: readonly number[];
}

const MAX_SEGMENTS = 1024;
const WAIT_MS = 30_000;
/** So many are asked for in turn before he stands in line for one: each that is taken costs a request for nothing. */
const ASKED = 4;
/** In that line for so long, then he asks for others: the holder may be frozen, and others free. */
const LINE_MS = 100;

export class SegmentedLock<C extends LockClass = LockClass> {
  /**
   * @param name of the whole: its segments are the locks `name:0`, `name:1` and so on
   * @param count of the segments, the same for all who use them; about half as many as work at once is plenty
   */
  constructor(
    private readonly locks: Locks<C>,
    private readonly name: string,
    readonly count: number,
  ) {
    if (Number.isInteger(count) && count >= 1 && count <= MAX_SEGMENTS) return;
    throw new RangeError(`count is ${count}; it must be a whole number from 1 to ${MAX_SEGMENTS}`);
  }

  /**
   * Does the work with one segment, as `Locks.run` does with one lock: any that is free, in random order; else it stands in
   * line for one after the other, `waitMs` in all. Work that answers NOTHING_HERE is done again with another segment, each
   * once; it must then have had no effect.
   *
   * @returns what the work answers; NOTHING_HERE: every segment was looked at, and none has anything
   * @throws as `Locks.run`; TERCET_LOCK_HELD when those not looked at were not free in time
   */
  async run<T>(
    { prefer = [], waitMs = WAIT_MS, ...options }: SegmentedOptions,
    work: (held: HeldSegment<C>) => Promise<T | typeof NOTHING_HERE>,
  ): Promise<T | typeof NOTHING_HERE> {
    const until = performance.now() + waitMs;
    const leftMs = (): number => Math.max(0, until - performance.now());
    const open = new Set(Array.from({ length: this.count }, (_, segment) => segment));
    while (open.size > 0) {
      const lineMs = Math.min(LINE_MS, leftMs());
      const isLast = lineMs === 0;
      const order = shuffled(open).sort((a, b) => Number(prefer.includes(b)) - Number(prefer.includes(a)));
      // Nobody who does not wait leaves one out.
      const asked = isLast ? order : order.slice(0, ASKED);
      const line = isLast ? [] : asked.slice(0, 1);
      let refusal: CodedError | null = null;
      for (const [index, segment] of [...asked, ...line].entries()) {
        if (!open.has(segment)) continue;
        const patienceMs = index < asked.length ? 0 : lineMs;
        const entered = await this.enter(segment, { ...options, waitMs: patienceMs }, work);
        if (entered instanceof CodedError) refusal = entered;
        else if (entered.answer === NOTHING_HERE) open.delete(segment);
        else return entered.answer;
        // A store that is away takes its time to say so.
        if (refusal?.code === 'TERCET_LOCK_UNAVAILABLE' && leftMs() === 0) throw refusal;
      }
      if (isLast && refusal) throw refusal;
    }
    return NOTHING_HERE;
  }

  /** The error: the segment could not be had now, and the work did not begin. */
  private async enter<T>(
    segment: number,
    options: LockOptions,
    work: (held: HeldSegment<C>) => Promise<T>,
  ): Promise<{ answer: T } | CodedError> {
    let hasBegun = false;
    try {
      const answer = await this.locks.run(`${this.name}:${segment}`, options, (held) => {
        hasBegun = true;
        const { name, token, signal, check } = held;
        return work({ segment, name, token, signal, check });
      });
      return { answer };
    } catch (error) {
      const codes: readonly string[] = ['TERCET_LOCK_HELD', 'TERCET_LOCK_UNAVAILABLE'];
      // It is said at once, however often one asks.
      const isOver = options.signal?.aborted || this.locks.isClosed;
      if (!hasBegun && !isOver && error instanceof CodedError && codes.includes(error.code)) return error;
      throw error;
    }
  }
}

function shuffled(values: Iterable<number>): number[] {
  return [...values]
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
