/** The node looks at itself and around: what `tercet doctor` shows. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { SecureContextOptions } from 'node:tls';
import type { Clock } from '../engine/ports.js';
import type { Coordinator } from '../engine/coordinator.js';
import type { AllowList } from '../participants/allow-list.js';
import { unreachable } from '../participants/reach.js';
import type { CheckView, DiagnosisView } from '../protocol/words.js';
import type { PostgresComponents, StoredComponent } from '../storage/components.js';
import type { StoredInstance } from '../storage/instances.js';
import type { PostgresDiagnosis } from '../storage/diagnosis.js';
import { databaseChecks, doubtful, good, wrong } from './checks.js';
import { configCheck } from './config-check.js';
import type { ConfigFacts } from '../steering/config-facts.js';
import type { LockDesk } from './locks.js';
import { kafkaCheck, outboxChecks } from './outbox-checks.js';
import type { Outbox } from './outbox.js';

const LOOP_RESOLUTION_MS = 10;
/** How long the event loop is watched at least. */
const LOOP_MS = 500;
const SLOW_LOOP_MS = 100;
/** More of them are not told one by one. */
const MAX_TOLD = 20;

export interface DiagnosisParts {
  readonly node: string;
  readonly version: string;
  /** As they may be read by anybody. */
  readonly settings: readonly string[];
  readonly allowList: AllowList;
  /** Of calls to https. */
  readonly callTls: SecureContextOptions | null;
  readonly database: PostgresDiagnosis;
  readonly components: PostgresComponents;
  readonly coordinator: Coordinator;
  readonly outbox: Outbox;
  readonly locks: LockDesk;
  /** What makes gids, and what is wrong with it at present. */
  readonly ids: () => { readonly kind: string; readonly warnings: readonly string[] };
  /** What the node goes by. */
  readonly config: { readonly facts: ConfigFacts };
  readonly clock: Clock;
  /** How many brokers Kafka has; null: this node has no Kafka. */
  readonly countBrokers: (() => Promise<number>) | null;
}

export class Diagnosis {
  private underWay: Promise<DiagnosisView> | null = null;

  constructor(private readonly parts: DiagnosisParts) {}

  /**
   * Changes nothing, and calls no service: it only connects. Takes a few seconds where something does not answer;
   * whoever asks meanwhile is given the same.
   */
  make(): Promise<DiagnosisView> {
    this.underWay ??= this.look().finally(() => {
      this.underWay = null;
    });
    return this.underWay;
  }

  private async look(): Promise<DiagnosisView> {
    const { node, version } = this.parts;
    const [ofDatabase, ofKafka, ofOutbox, ofLocks, ofComponents, ofLoop] = await Promise.all([
      this.database(),
      kafkaCheck(this.parts.countBrokers),
      this.outbox(),
      this.parts.locks.check(),
      this.components(),
      eventLoop(),
    ]);
    const checks = [
      ...ofDatabase,
      ofKafka,
      ...ofOutbox,
      ofLocks,
      this.ids(),
      configCheck(this.parts.config.facts),
      ...ofComponents,
      ofLoop,
    ];
    return { node, version, checks: [this.ready(), this.settings(), ...checks] };
  }

  private ready(): CheckView {
    const problems = this.parts.coordinator.problems();
    if (problems.length === 0) return good('ready', 'it takes requests');
    return wrong('ready', problems.join('; '), 'the log of this node says more');
  }

  private settings(): CheckView {
    const { settings } = this.parts;
    return good('settings', settings.length === 0 ? 'none is given: all defaults' : settings.join(', '));
  }

  private ids(): CheckView {
    const { kind, warnings } = this.parts.ids();
    const [first] = warnings;
    const detail = `gids are made by ${kind}`;
    return first === undefined ? good('ids', detail) : doubtful('ids', `${detail}; ${first}`, 'docs/locks-and-ids.md');
  }

  private async database(): Promise<CheckView[]> {
    try {
      return databaseChecks(await this.parts.database.look());
    } catch (error) {
      return [wrong('database', (error as Error).message, 'is it up, and does DATABASE_URL lead to it?')];
    }
  }

  private async outbox(): Promise<CheckView[]> {
    try {
      return outboxChecks(await this.parts.outbox.view(), this.parts.clock.now());
    } catch {
      // The database is away, and is told of by its own check.
      return [];
    }
  }

  private async components(): Promise<CheckView[]> {
    let all: { readonly name: string; readonly urls: readonly string[] }[];
    try {
      const instances = await this.parts.components.instances.view(null);
      const components = await this.parts.components.list();
      all = components.map((one) => ({ name: one.name, urls: urlsOf(one, instances.get(one.name) ?? []) }));
    } catch {
      // The database is away, and is told of by its own check.
      return [];
    }
    const troubles = await unreachable(
      all.flatMap(({ urls }) => urls),
      this.parts.allowList,
      this.parts.callTls,
    );
    const failing = all.flatMap(({ name, urls }): CheckView[] => {
      const told = [...new Set(urls.map((url) => new URL(url).origin))].flatMap((origin) => {
        const trouble = troubles.get(origin);
        return trouble === undefined ? [] : [`${origin}: ${trouble}`];
      });
      if (told.length === 0) return [];
      const advice = 'start or repair it; if it is gone for good, `tercet component delete`';
      return [wrong(`component ${name}`, told.join('; '), advice)];
    });
    const detail = `${all.length - failing.length} of ${all.length} can be connected to`;
    return [good('components', detail), ...failing.slice(0, MAX_TOLD)];
  }
}

/** Where it is called now: live instances stand in for its own `url`, or where it has none for its endpoints. */
function urlsOf({ url, endpoints }: StoredComponent, instances: readonly StoredInstance[]): string[] {
  const alive = instances.filter(({ isAlive }) => isAlive).map((instance) => instance.url);
  const named = Object.values(endpoints);
  if (alive.length > 0) return url === null ? alive : [...alive, ...named];
  return url === null ? named : [url, ...named];
}

async function eventLoop(): Promise<CheckView> {
  const histogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  histogram.enable();
  await new Promise((resolve) => setTimeout(resolve, LOOP_MS));
  histogram.disable();
  // In nanoseconds, the interval at which it looks included.
  const ms = Math.max(0, Math.round(histogram.percentile(99) / 1e6 - LOOP_RESOLUTION_MS));
  const detail = `99 of 100 turns are late by ${ms} ms at most`;
  if (ms < SLOW_LOOP_MS) return good('event loop', detail);
  return doubtful('event loop', detail, 'the process lacks CPU: fewer transactions on this node, or more nodes');
}
