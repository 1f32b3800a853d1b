/** What this node goes by from the configuration center: seen, taken, and put to use where the node runs by it. */
import { join } from 'node:path';
import { Activation } from './config-center/activation.js';
import { ReleaseContents } from './config-center/release-contents.js';
import { Reports } from './config-center/reports.js';
import { SharedPull } from './config/shared-pull.js';
import { ConfigStates } from './config-center/states.js';
import { ConfigWakes } from './config-center/wakes.js';
import type { Clock, ComponentDirectory, Logger } from './engine/ports.js';
import type { LevelLogger } from './logger.js';
import type { Relay } from './outbox/relay.js';
import type { HttpParticipants } from './participants/http.js';
import type { Settings } from './settings.js';
import { LastGood } from './steering/last-good.js';
import { ENVIRONMENT, NodeConfig } from './steering/node-config.js';
import { Database } from './storage/database.js';

/** Of what is followed here, and of what is written for all. */
const CONNECTIONS = 4;

export interface StartedConfig {
  readonly config: NodeConfig;
  /** What is in force in any environment. */
  readonly states: ConfigStates;
  readonly database: Database;
  /** How often contents were read from the database, and how often a copy saved that; null: there is no Redis. */
  pulls(): SharedPull['counts'] | null;
  /** Tells the other nodes that something has changed in an environment. */
  changed(environment: string): void;
  close(): Promise<void>;
}

export interface ConfigSurroundings {
  /** This node among the members. @throws LogUnavailable while it is none */
  readonly member: () => string;
  /** Told how long after it came into force a release was taken, ms. */
  readonly appliedAfter: (ms: number) => void;
  readonly clock: Clock;
}

/** Takes what is in force; it is followed once the node is a member. @throws LogUnavailable, TercetError */
export async function startConfig(
  url: string,
  settings: Settings,
  { member, appliedAfter, clock }: ConfigSurroundings,
  logger: Logger,
): Promise<StartedConfig> {
  const { leaseMs, node, labels, dataDir, redisUrls } = settings;
  const database = new Database({ url, leaseMs, connections: CONNECTIONS }, logger);
  const [redisUrl] = redisUrls;
  // Loaded late: most run without.
  const redis = redisUrl === undefined ? null : (await import('./redis.js')).redisOf(redisUrl);
  const wakes = new ConfigWakes(url, redis, logger);
  // Secrets are sealed in what is stored: a copy of it needs no key of its own.
  const shared = redis && new SharedPull({ redis, copyKey: null, clock, logger });
  const states = new ConfigStates({ database, wakeups: wakes, shared, clock, logger });
  const changed = (environment: string): void => wakes.tell(environment);
  const reports = new Reports({ database, clock, logger, changed });
  const config = new NodeConfig({
    states,
    contents: new ReleaseContents(database),
    activation: new Activation(database, leaseMs, () => changed(ENVIRONMENT)),
    report: (...said) => reports.take(...said),
    lastGood: new LastGood(join(dataDir, 'settings.json'), placeOf(settings.databaseUrl)),
    settings: {
      'log.level': settings.logLevel,
      'limits.unfinished': settings.maxUnfinished,
      'limits.requests': settings.maxRequests,
      'retention.days': settings.retentionDays,
      'alerts.ageMs': settings.alertAgeMs,
      deadLetters: settings.deadLetters,
    },
    node,
    labels,
    leaseMs,
    member,
    appliedAfter,
    clock,
    logger,
  });
  const close = async (): Promise<void> => {
    states.close();
    await config.stop();
    await wakes.close();
    await shared?.close();
    await database.close();
  };
  try {
    await config.start();
  } catch (error) {
    await close();
    throw error;
  }
  const pulls = (): SharedPull['counts'] | null => shared?.counts ?? null;
  return { config, states, database, pulls, changed, close };
}

export interface Steerable {
  readonly logger: LevelLogger;
  readonly participants: HttpParticipants;
  readonly components: ComponentDirectory;
  /** Null: nothing goes to Kafka. */
  readonly relay: Relay | null;
}

/** What does not look at the values by itself is told of them, now and whenever they change. */
export function putToUse(config: NodeConfig, { logger, participants, components, relay }: Steerable): void {
  const { steering } = config;
  config.use((values) => () => {
    logger.level = values['log.level'];
  });
  config.use(({ deadLetters: policy, 'relay.rows': rows, 'relay.bytes': bytes }) => () => {
    relay?.tune({ policy, rows, bytes });
  });
  config.use(() => () => {
    participants.relimit((name) => {
      const registered = components.get(name);
      return registered && steering.component(registered, steering.inForce.release);
    });
  });
}

/** Which database it is, whoever asks it. */
function placeOf(databaseUrl: string | null): string {
  if (databaseUrl === null) return 'embedded';
  const { host, pathname } = new URL(databaseUrl);
  return `${host}${pathname}`;
}
