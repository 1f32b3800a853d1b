/** Builds a node from its settings, runs it until a signal, and takes it down in order. */
import { join } from 'node:path';
import { Alerts } from './alerts/alerts.js';
import { Webhook } from './alerts/webhook.js';
import { configDesk } from './config-desk.js';
import { Coordinator } from './engine/coordinator.js';
import type { Clock, Logger, UnderWay } from './engine/ports.js';
import { gidsFrom, openGids } from './gids.js';
import { Diagnosis } from './http/diagnosis.js';
import { LockDesk } from './http/locks.js';
import { Outbox } from './http/outbox.js';
import { Readiness } from './http/readiness.js';
import { createServer } from './http/server.js';
import type { Messaging } from './messaging/messaging.js';
import { Metrics } from './metrics/metrics.js';
import type { LevelLogger } from './logger.js';
import { putToUse, startConfig } from './node-config.js';
import { startLocks } from './node-locks.js';
import { HttpParticipants } from './participants/http.js';
import { PoolSender } from './participants/sender.js';
import type { Sender } from './participants/sender.js';
import { ThreadSender } from './participants/thread-sender.js';
import { settingsShown } from './settings-shown.js';
import type { Settings } from './settings.js';
import type { NodeConfig } from './steering/node-config.js';
import { PostgresComponents } from './storage/components.js';
import { prepareDatabase } from './storage/data-source.js';
import { idDatabase } from './storage/ids.js';
import { PostgresDiagnosis } from './storage/diagnosis.js';
import { startEmbedded } from './storage/embedded.js';
import type { EmbeddedPostgres } from './storage/embedded.js';
import { LockReleases } from './storage/lock-releases.js';
import { OUTBOX, PostgresOutbox } from './storage/outbox.js';
import { Retention } from './storage/retention.js';
import { PostgresLog } from './storage/transaction-log.js';
import { SystemClock } from './system-clock.js';
import { VERSION } from './version.js';

/** Drives under way may take this long to come to a point where others can go on. */
const DRAIN_MS = 10_000;

export interface RunningNode {
  readonly url: string;
  /** Drains, hands its leases back and stops what it started. */
  stop(): Promise<void>;
}

/**
 * @param stopping looked at between the steps of the start, each of which is finished
 * @throws TercetError, or what the system said, when something it needs is not there; the reason of `stopping`
 */
export async function startNode(settings: Settings, logger: LevelLogger, stopping?: AbortSignal): Promise<RunningNode> {
  const stops: (() => Promise<unknown>)[] = [];
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) {
      await stop().catch((error: unknown) => logger.warn({ error: String(error) }, 'something did not stop in order'));
    }
  };
  try {
    let url = settings.databaseUrl;
    let embedded: EmbeddedPostgres | null = null;
    if (url === null) {
      const server = await startEmbedded(join(settings.dataDir, 'postgres'), logger);
      stops.push(() => server.stop());
      url = server.url;
      embedded = server;
    }
    stopping?.throwIfAborted();
    await prepareDatabase(url, settings.migrate, logger);
    stopping?.throwIfAborted();
    const metrics = new Metrics();
    stops.push(async () => metrics.stop());
    const clock = new SystemClock(() => log.clockOffsetMs);
    const { appliedAfter } = metrics.config;
    const followed = { clock, appliedAfter, member: () => coordinator.member };
    const started = await startConfig(url, settings, followed, logger);
    stops.push(() => started.close());
    const { config } = started;
    const { steering } = config;
    const connections = steering.values['database.connections'];
    const log = new PostgresLog({ url, leaseMs: settings.leaseMs, connections }, logger, metrics.flushed, () =>
      messaging?.relay.wake(),
    );
    stops.push(() => log.close());
    const components = new PostgresComponents({ url, leaseMs: settings.leaseMs }, logger);
    stops.push(() => components.stop());
    await components.start();
    stopping?.throwIfAborted();
    const messaging = await messagingOf(settings, url, logger);
    if (messaging) stops.push(() => messaging.stop());
    const sender = senderOf(settings, clock);
    const participants = new HttpParticipants(sender, clock, settings.signing);
    stops.push(() => participants.close());
    putToUse(config, { logger, participants, components, relay: messaging?.relay ?? null });
    const { node, leaseMs, allowList } = settings;
    const alerts = alertsOf(settings, steering, clock, logger, metrics, () => coordinator.underWay());
    // Loaded late: most run without.
    const tracing = settings.traces && (await import('./tracing/exporter.js')).startTraces(node, clock, logger);
    if (tracing) stops.push(() => tracing.stop());
    const observers = [metrics.engine, ...(alerts ? [alerts] : []), ...(tracing ? [tracing.traces] : [])];
    const traced = tracing ? { traceOf: tracing.traces.traceOf } : {};
    const isKafkaOn = messaging !== null;
    const ofIds = idDatabase({ url, leaseMs }, logger);
    stops.push(() => ofIds.close());
    const ids = await openGids(settings.ids, {
      database: ofIds.executor,
      memberOf: () => coordinator.member,
      redisUrl: settings.redisUrls[0] ?? null,
    });
    if (ids) stops.push(() => ids.close());
    const gids = ids ? { makeGid: gidsFrom(ids, logger) } : {};
    const from = { node, leaseMs, steering, isKafkaOn, ...gids };
    const engine = { log, components, participants, clock, logger, ...from, observers, ...traced };
    const coordinator: Coordinator = new Coordinator(engine);
    if (alerts) stops.push(() => alerts.stop());
    const kept = await startLocks(
      { url, node, locks: settings.locks, redisUrls: settings.redisUrls },
      logger,
      metrics.locks,
    );
    stops.push(() => kept.close());
    const releases = new LockReleases({ url, leaseMs }, logger);
    stops.push(() => releases.close());
    const lockDesk = new LockDesk({ store: kept.locks.store, place: kept.place, releases, logger });
    const { configKeys: keys } = settings;
    const center = configDesk(started, { keys, locks: kept.locks.store, leaseMs, clock, logger });
    const stored = new PostgresOutbox({ url, leaseMs }, logger);
    stops.push(() => stored.close());
    const desk = new Outbox({ stored, relay: messaging?.relay ?? null, clock, logger });
    const isWell = [() => embedded?.problems() ?? [], () => coordinator.problems()];
    const readiness = new Readiness(isWell, [
      () => desk.warnings(),
      () => kept.warnings(),
      () => config.warnings(),
      () => ids?.warnings() ?? [],
    ]);
    metrics.watch({
      underWay: () => coordinator.underWay(),
      maxUnfinished: () => steering.inForce.maxUnfinished,
      config: () => config.facts,
      pulls: () => started.pulls(),
      problems: () => readiness.problems(),
      callsBusyMs: () => sender.busyMs,
      pools: () => ({ ...log.connections, ...components.connections }),
      unfinished: () => log.unfinished(),
      historyAheadMs: () => log.historyAheadMs(),
      outbox: () => stored.depth(),
      relay: () => messaging?.relay.status ?? null,
      ids: () => ids?.facts() ?? null,
    });
    const database = new PostgresDiagnosis({ url, leaseMs }, logger);
    stops.push(() => database.close());
    const shown = settingsShown(process.env);
    const { callTls } = settings;
    const about = { node, version: VERSION, settings: shown, allowList, callTls, database, components, coordinator };
    const ofGids = () => ({ kind: settings.ids.kind, warnings: ids?.warnings() ?? [] });
    const countBrokers = messaging && (() => messaging.countBrokers());
    const diagnosis = new Diagnosis({
      ...about,
      outbox: desk,
      locks: lockDesk,
      ids: ofGids,
      clock,
      countBrokers,
      config,
    });
    const parts = {
      coordinator,
      components,
      participants,
      allowList,
      metrics,
      maxRequests: () => steering.values['limits.requests'],
      steering,
      readiness,
      outbox: desk,
      locks: lockDesk,
      config: center,
    };
    const app = await createServer({ ...parts, diagnosis }, logger, settings);
    stops.push(() => app.close());
    stops.push(async () => center.endWaiting());
    // Answers go out as long as drives run: those who wait for an end are told it.
    const days = (): number => steering.values['retention.days'];
    const retention = new Retention({ url, leaseMs, days }, kept.locks, clock, logger);
    stops.push(() => Promise.all([coordinator.drain(DRAIN_MS), retention.stop()]));
    const half = settings.halfTopic && messaging?.halfMessages(settings.halfTopic, coordinator, clock);
    if (half) stops.push(() => half.stop());
    stopping?.throwIfAborted();
    await coordinator.start();
    config.follow();
    stopping?.throwIfAborted();
    alerts?.start();
    retention.start();
    if (half) half.start();
    await app.listen(settings.port, settings.host);
    return {
      url: (await app.getUrl()).replace('[::1]', settings.host.includes(':') ? '[::1]' : settings.host),
      stop: stopAll,
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

function senderOf({ allowList, callTls: tls, callThread }: Settings, clock: Clock): Sender {
  if (!callThread) return new PoolSender(allowList, clock, tls);
  return new ThreadSender(new URL('./calls-thread.js', import.meta.url), { allowed: allowList.entries, tls });
}

/** Null: nothing goes to Kafka. Loaded late: many run without. */
async function messagingOf(settings: Settings, url: string, logger: Logger): Promise<Messaging | null> {
  const { kafka } = settings;
  return kafka && (await import('./messaging/messaging.js')).startMessaging({ url, prefix: OUTBOX, kafka, logger });
}

/** Null: nobody wants to be told. */
function alertsOf(
  { node, alertUrl: url, signing }: Settings,
  steering: NodeConfig['steering'],
  clock: Clock,
  logger: Logger,
  { alerted: told }: Metrics,
  underWay: () => readonly UnderWay[],
): Alerts | null {
  if (url === null) return null;
  return new Alerts(new Webhook({ url, signing, clock, logger, told }), {
    node,
    clock,
    ageMs: () => steering.values['alerts.ageMs'],
    underWay,
  });
}
