/** All that a node tells at /metrics, in the text format of Prometheus. docs/operations.md has a table of it. */
import { Registry } from 'prom-client';
import type { UnderWay } from '../engine/ports.js';
import type { PoolUse } from '../storage/database.js';
import type { Unfinished } from '../storage/unfinished.js';
import { ConfigMetrics } from './config-metrics.js';
import type { ConfigSources } from './config-metrics.js';
import { EngineMetrics } from './engine-metrics.js';
import { EventLoop } from './event-loop.js';
import { HttpMetrics } from './http-metrics.js';
import { idMetrics } from './id-metrics.js';
import type { IdSources } from './id-metrics.js';
import { LockMetrics } from './lock-metrics.js';
import { logMetrics } from './log-metrics.js';
import { outboxMetrics } from './outbox-metrics.js';
import type { OutboxSources } from './outbox-metrics.js';
import { alertMetrics, flushMetrics, processMetrics, workMetrics } from './node-metrics.js';

/** What is looked up when somebody asks. */
export interface Sources extends OutboxSources, IdSources, ConfigSources {
  readonly underWay: () => readonly UnderWay[];
  /** How many of them there may be. */
  readonly maxUnfinished: () => number;
  /** Why the node takes no requests; empty when it does. */
  readonly problems: () => readonly string[];
  /** By lane. */
  readonly pools: () => Readonly<Record<string, PoolUse>>;
  /** How long the thread that makes calls has been busy in all. */
  readonly callsBusyMs: () => number;
  readonly unfinished: () => Promise<readonly Unfinished[]>;
  /** How far ahead history has partitions. */
  readonly historyAheadMs: () => Promise<number>;
}

export class Metrics {
  private readonly registry = new Registry();
  private readonly loop = new EventLoop();
  readonly contentType: string = this.registry.contentType;
  readonly engine = new EngineMetrics(this.registry);
  readonly http = new HttpMetrics(this.registry);
  readonly locks = new LockMetrics(this.registry);
  readonly config = new ConfigMetrics(this.registry);
  readonly flushed = flushMetrics(this.registry);
  readonly alerted = alertMetrics(this.registry);

  constructor() {
    processMetrics(this.registry, this.loop);
  }

  /** From now on these are told too. */
  watch(sources: Sources): void {
    workMetrics(this.registry, sources);
    logMetrics(this.registry, sources);
    outboxMetrics(this.registry, sources);
    idMetrics(this.registry, sources);
    this.config.watch(sources);
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }

  stop(): void {
    this.loop.stop();
  }
}
