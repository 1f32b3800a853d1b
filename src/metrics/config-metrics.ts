/** What this node goes by, and what it should go by. */
import { Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { gauge, total } from './gauge.js';

export interface ConfigSources {
  readonly config: () => {
    /** Null: none. */
    readonly desired: number | null;
    readonly applied: number | null;
    readonly epoch: number;
    readonly rejects: number;
    readonly rejected: string | null;
    readonly unseen: object | null;
  };
  /** Null: there is no Redis to share them by. */
  readonly pulls: () => { readonly fetches: number; readonly saved: number } | null;
}

export class ConfigMetrics {
  private readonly lag: Histogram;

  constructor(private readonly registry: Registry) {
    this.lag = new Histogram({
      name: 'tercet_config_applied_lag_seconds',
      help: 'From when a release of tercet/coordinator came into force until this node went by it.',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
      registers: [registry],
    });
  }

  readonly appliedAfter = (ms: number): void => this.lag.observe(Math.max(0, ms) / 1000);

  watch({ config, pulls }: ConfigSources): void {
    const { registry } = this;
    const release = {
      name: 'config_release',
      help: 'Release of tercet/coordinator that this node should have (desired), and that it goes by (applied); 0: none.',
      labels: ['which'],
    };
    gauge(registry, release, (set) => {
      const { desired, applied } = config();
      set(desired ?? 0, 'desired');
      set(applied ?? 0, 'applied');
    });
    const one = (name: string, help: string, look: () => number): void =>
      gauge(registry, { name, help }, (set) => set(look()));
    one('config_epoch', 'How many strict releases this node has seen come into force.', () => config().epoch);
    one('config_rejected', 'Whether this node does not take the release that it should have: 1 or 0.', () =>
      config().rejected === null ? 0 : 1,
    );
    one('config_unseen', 'Whether this node does not see changes of the configuration now: 1 or 0.', () =>
      config().unseen === null ? 0 : 1,
    );
    const rejects = { name: 'config_rejects', help: 'Releases that this node did not take.' };
    total(registry, rejects, () => config().rejects);
    const fetches = {
      name: 'config_fetches',
      help: 'Contents that this node read from the database for all that share a Redis.',
    };
    total(registry, fetches, () => pulls()?.fetches ?? 0);
    const saved = { name: 'config_fetches_saved', help: 'Contents that this node took from the copy of another one.' };
    total(registry, saved, () => pulls()?.saved ?? 0);
  }
}
