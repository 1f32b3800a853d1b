/** What the generator of gids of this node does; nothing of it where they are UUIDv7. */
import type { Registry } from 'prom-client';
import type { IdFacts } from '../ids/id.js';
import { gauge, total } from './gauge.js';

export interface IdSources {
  /** Null: it has none that could be in trouble. */
  readonly ids: () => IdFacts | null;
}

export function idMetrics(registry: Registry, { ids }: IdSources): void {
  const here = (name: string, help: string, of: (found: IdFacts) => number | null): void =>
    gauge(registry, { name, help }, (set) => {
      const found = ids();
      const value = found && of(found);
      if (value !== null) set(value);
    });
  here('ids_left', 'Gids that this node can make while their store is away; of segments.', ({ left }) => left);
  here(
    'ids_left_seconds',
    'How long this node can make gids while their store is away; of snowflakes.',
    ({ leftMs }) => leftMs && leftMs / 1000,
  );
  const counted = (name: string, help: string, of: (found: IdFacts) => number): void =>
    total(registry, { name, help }, () => {
      const found = ids();
      return found ? of(found) : 0;
    });
  counted('ids_made', 'Gids that this node made; UUIDv7 are not counted.', ({ made }) => made);
  counted('ids_store_requests', 'How often this node asked the store of gids.', ({ asked }) => asked);
  counted('ids_store_failures', 'Of these, those that came to nothing.', ({ failures }) => failures);
  counted('ids_clock_steps_back', 'Steps back of the clock by more than 5 ms.', ({ stepsBack }) => stepsBack);
  counted('ids_waits', 'How often a gid waited for the next millisecond.', ({ waits }) => waits);
}
