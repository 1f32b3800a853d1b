/** Requests to this node, by the pattern of their route: a path has a gid in it. */
import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { Tallies } from './series.js';
import type { Tally } from './series.js';

export class HttpMetrics {
  private readonly requests: Tallies<'method' | 'route' | 'status'>;
  private readonly inFlight: Gauge;
  private readonly kept = new Map<string, Tally>();

  constructor(registry: Registry) {
    const registers = [registry];
    this.requests = new Tallies(registry, {
      name: 'tercet_http_requests_total',
      help: 'Requests that were answered, by route pattern and class of status; left: the asker went away before.',
      labelNames: ['method', 'route', 'status'],
    });
    this.inFlight = new Gauge({
      name: 'tercet_http_requests_in_flight',
      help: 'Requests that are not answered yet, long polls included.',
      registers,
    });
  }

  began(): void {
    this.inFlight.inc();
  }

  /** @param status null: nobody waited for the answer any more */
  ended(method: string, route: string | undefined, status: number | null): void {
    this.inFlight.dec();
    const of = route === undefined ? 'none' : route;
    // A method that no route knows is the asker's invention.
    const by = route === undefined ? 'any' : method;
    const what = status === null ? 'left' : `${Math.floor(status / 100)}xx`;
    const key = `${by} ${of} ${what}`;
    let counter = this.kept.get(key);
    if (!counter) this.kept.set(key, (counter = this.requests.labels(by, of, what)));
    counter.inc();
  }
}
