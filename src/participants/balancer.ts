/**
 * Which instance of a component a call goes to: the one with the fewest calls under way, those with equally many in
 * turn. A slow instance gets as much as it can take, and a frozen one hardly more than what the others have under way.
 */
import type { Instance } from '../engine/ports.js';
import type { CallsView } from '../protocol/words.js';
import { Breaker } from './breaker.js';
import type { Pass } from './breaker.js';
import type { Result } from './exchange.js';
import { Tally } from './tally.js';

/** Ranks, the lowest first: below them the calls under way, above them the ms until an open one may be probed. */
const PROBE_FIRST = -1;
const AVOIDED = 1e6;
const PROBE_LAST = 2e6;
const OPEN = 3e6;
const NOBODY: ReadonlySet<string> = new Set();
/** What was observed is shown for a minute; none of it is kept longer when no instance is left. */
const KEPT_MS = 60_000;

interface Way {
  /** Of the instance; null: the component's own. One that moved begins afresh. */
  readonly url: string | null;
  readonly breaker: Breaker;
  readonly tally: Tally;
}

/** Leave to make one call, to be handed back to `leave`. */
export interface Choice {
  /** Null: no instance is alive, or the operation has a URL of its own. */
  readonly instance: Instance | null;
  /** How many instances are alive, this one among them. */
  readonly live: number;
  readonly way: Way;
  readonly pass: Pass;
}

export class Balancer {
  private readonly own: Way;
  private readonly ways = new Map<string, Way>();
  private turn = 0;
  /** When there were any instances at last. */
  private anyAt = 0;

  /** @param now monotonic, ms */
  constructor(private readonly now: () => number) {
    this.own = this.newWay(null);
  }

  /**
   * A choice, or for how many ms not to call.
   *
   * @param avoided names of instances to be called only if no other one can be
   */
  choose(instances: readonly Instance[], avoided: ReadonlySet<string> = NOBODY): Choice | number {
    const live = this.live(instances);
    const instance = this.best(live, avoided);
    const way = instance ? this.wayOf(instance) : this.own;
    const pass = way.breaker.enter();
    if (typeof pass === 'number') return pass;
    way.tally.begin();
    return { instance, live: live.length, way, pass };
  }

  /** For how many ms nothing is called; 0: a probe may be; null: anything. */
  waitMs(instances: readonly Instance[]): number | null {
    const best = this.peek(instances);
    return (best ? this.wayOf(best) : this.own).breaker.waitMs;
  }

  /** Where a call would go now; null: to the component's own URL. */
  peek(instances: readonly Instance[]): Instance | null {
    return this.best(this.live(instances), NOBODY);
  }

  /**
   * What became of the call. One that could not even be sent takes its instance out at once, if there are others.
   *
   * @param result null: the call was not made
   */
  leave({ way, pass, live }: Choice, result: Pick<Result, 'isAlive' | 'hasLeft'> | null): void {
    const isAlive = result?.isAlive ?? null;
    way.tally.end(isAlive);
    if (result?.hasLeft === false && live > 1) way.breaker.leave(pass, isAlive, 1);
    else way.breaker.leave(pass, isAlive);
  }

  /** @param name of an instance; null: the component's own URL */
  observed(name: string | null): CallsView {
    const { breaker, tally } = (name === null ? this.own : this.ways.get(name)) ?? this.newWay(null);
    return { inFlight: tally.inFlight, failureRate: tally.failureRate, breaker: breaker.state };
  }

  private live(instances: readonly Instance[]): readonly Instance[] {
    const now = this.now();
    if (instances.length === 0) {
      // An operation with a URL of its own has none either, while others do.
      if (now - this.anyAt > KEPT_MS) this.ways.clear();
      return instances;
    }
    this.anyAt = now;
    if (this.ways.size > instances.length) this.forgetOthers(instances);
    return instances.filter(({ aliveUntil }) => aliveUntil > now);
  }

  private best(live: readonly Instance[], avoided: ReadonlySet<string>): Instance | null {
    this.turn += 1;
    let best: Instance | null = null;
    let lowest = Infinity;
    for (let step = 0; step < live.length; step += 1) {
      const instance = live[(this.turn + step) % live.length];
      if (!instance) continue;
      const rank = this.rankOf(instance, avoided);
      if (rank >= lowest) continue;
      best = instance;
      lowest = rank;
    }
    return best;
  }

  private rankOf(instance: Instance, avoided: ReadonlySet<string>): number {
    const { breaker, tally } = this.wayOf(instance);
    const { waitMs } = breaker;
    if (waitMs === null) return (avoided.has(instance.name) ? AVOIDED : 0) + tally.inFlight;
    if (waitMs > 0) return OPEN + waitMs;
    // A call that came to nothing before shall not be the one that finds out.
    return avoided.size === 0 ? PROBE_FIRST : PROBE_LAST;
  }

  private wayOf({ name, url }: Instance): Way {
    const there = this.ways.get(name);
    if (there?.url === url) return there;
    const way = this.newWay(url);
    this.ways.set(name, way);
    return way;
  }

  private newWay(url: string | null): Way {
    return { url, breaker: new Breaker(this.now), tally: new Tally(this.now) };
  }

  private forgetOthers(instances: readonly Instance[]): void {
    const names = new Set(instances.map(({ name }) => name));
    for (const name of this.ways.keys()) if (!names.has(name)) this.ways.delete(name);
  }
}
