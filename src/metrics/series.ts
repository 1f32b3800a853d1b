/**
 * Counters and histograms for the hot path. prom-client finds a series by its labels anew for each value, which came to
 * a thirtieth of what a transaction costs; here it is found once, and a value is an addition. prom-client still writes
 * them out.
 */
import type { Metric, MetricObject, Registry } from 'prom-client';

interface Text<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly L[];
}

interface Value {
  readonly metricName?: string;
  readonly labels: Record<string, string | number>;
  readonly value: number;
}

/** The series of one metric, each made when it is first asked for. */
abstract class Family<L extends string, S> {
  readonly name: string;
  readonly help: string;
  readonly aggregator = 'sum';
  private readonly series = new Map<string, { readonly labels: Record<string, string>; readonly series: S }>();

  constructor(
    private readonly text: Text<L>,
    readonly type: 'counter' | 'histogram',
    registry: Registry,
  ) {
    this.name = text.name;
    this.help = text.help;
    // It asks nothing but `get` of what it writes out.
    registry.registerMetric(this as unknown as Metric);
  }

  /** @param labels values of the labels, in their order; keep what you get */
  labels(...labels: readonly string[]): S {
    const key = JSON.stringify(labels);
    let found = this.series.get(key);
    if (!found) {
      const named = Object.fromEntries(this.text.labelNames.map((name, index) => [name, labels[index] ?? '']));
      this.series.set(key, (found = { labels: named, series: this.make() }));
    }
    return found.series;
  }

  /** As prom-client asks for it. */
  get(): Promise<Omit<MetricObject, 'values'> & { values: Value[] }> {
    const { name, help, type, aggregator } = this;
    const values = [...this.series.values()].flatMap(({ labels, series }) => this.values(labels, series));
    return Promise.resolve({ name, help, type, aggregator, values } as never);
  }

  protected abstract make(): S;
  protected abstract values(labels: Record<string, string>, series: S): Value[];
}

export class Tally {
  count = 0;

  inc(by = 1): void {
    this.count += by;
  }
}

export class Tallies<L extends string> extends Family<L, Tally> {
  constructor(registry: Registry, text: Text<L>) {
    super(text, 'counter', registry);
  }

  protected make(): Tally {
    return new Tally();
  }

  protected values(labels: Record<string, string>, { count: value }: Tally): Value[] {
    return [{ labels, value }];
  }
}

export class Timing {
  /** Values by bucket, the last of those above all bounds. */
  readonly counts: number[];
  sum = 0;

  constructor(private readonly bounds: readonly number[]) {
    this.counts = Array<number>(bounds.length + 1).fill(0);
  }

  observe(seconds: number): void {
    const bucket = this.bounds.findIndex((bound) => seconds <= bound);
    const index = bucket < 0 ? this.bounds.length : bucket;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.sum += seconds;
  }
}

export class Timings<L extends string> extends Family<L, Timing> {
  /** @param bounds upper bounds of the buckets, s */
  constructor(
    registry: Registry,
    text: Text<L>,
    private readonly bounds: readonly number[],
  ) {
    super(text, 'histogram', registry);
  }

  protected make(): Timing {
    return new Timing(this.bounds);
  }

  protected values(labels: Record<string, string>, { counts, sum }: Timing): Value[] {
    let total = 0;
    const buckets = counts.map((count, index) => {
      total += count;
      return {
        metricName: `${this.name}_bucket`,
        labels: { le: this.bounds[index] ?? '+Inf', ...labels },
        value: total,
      };
    });
    const of = (what: string, value: number): Value => ({ metricName: `${this.name}_${what}`, labels, value });
    return [...buckets, of('sum', sum), of('count', total)];
  }
}
