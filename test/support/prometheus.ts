/** Reads what a node prints at /metrics. */

export class Scrape {
  private readonly samples = new Map<string, number>();
  /** Of every metric that was described, with or without a value. */
  readonly names: readonly string[];

  constructor(readonly text: string) {
    this.names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name);
    for (const [, series = '', value = ''] of text.matchAll(/^([a-z_]+(?:\{.*\})?) (\S+)$/gm)) {
      this.samples.set(series, Number(value));
    }
  }

  static async of(url: string): Promise<Scrape> {
    const response = await fetch(`${url}/metrics`);
    if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`);
    return new Scrape(await response.text());
  }

  /** The value of a series, written as it is printed: `name{label="value"}`. */
  value(series: string): number | undefined {
    return this.samples.get(series);
  }

  /** Every series of a metric with its value. */
  of(name: string): Record<string, number> {
    return Object.fromEntries([...this.samples].filter(([series]) => series.split('{')[0] === name));
  }
}
