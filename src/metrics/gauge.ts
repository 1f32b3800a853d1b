/** Values that are looked up when somebody asks for the metrics. */
import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

export type Set = (value: number, ...labels: string[]) => void;

/** A gauge with the values that `look` sets, and none that it does not. */
export function gauge(
  registry: Registry,
  { name, help, labels = [] }: { name: string; help: string; labels?: string[] },
  look: (set: Set) => void | Promise<void>,
): void {
  new Gauge({
    name: `tercet_${name}`,
    help,
    labelNames: labels,
    registers: [registry],
    collect() {
      if (labels.length > 0) this.reset();
      else this.remove();
      return look((value, ...values) => this.labels(...values).set(value));
    },
  });
}

/** A counter that somebody else counts. */
export function total(registry: Registry, { name, help }: { name: string; help: string }, look: () => number): void {
  new Counter({
    name: `tercet_${name}_total`,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(look());
    },
  });
}
