/** A node's configuration over a real database, with or without an engine that goes by it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Activation } from '../../../src/config-center/activation.js';
import { ReleaseContents } from '../../../src/config-center/release-contents.js';
import { Reports } from '../../../src/config-center/reports.js';
import { ConfigStates } from '../../../src/config-center/states.js';
import { ConfigWakes } from '../../../src/config-center/wakes.js';
import { LogUnavailable } from '../../../src/engine/ports.js';
import type { Participants } from '../../../src/engine/ports.js';
import { LastGood } from '../../../src/steering/last-good.js';
import { NodeConfig } from '../../../src/steering/node-config.js';
import type { NodeConfigParts } from '../../../src/steering/node-config.js';
import { Database } from '../../../src/storage/database.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { SystemClock } from '../../../src/system-clock.js';
import { createDatabase } from '../../support/postgres.js';
import { EngineNode, Services } from '../engine/node.js';
import type { Sql } from './releases.js';

const LEASE_MS = 2000;

export interface Report {
  readonly instance: string;
  readonly incarnation: string;
  readonly namespaces: Record<string, { release: number; state: string; reason?: string }>;
}

/** A database with its nodes, all of which end with it. */
export class Steerage {
  readonly told: { message: string; fields: object }[] = [];
  private readonly ends: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly url: string,
    readonly sql: Sql,
    readonly dataDir: string,
  ) {}

  static async create(): Promise<Steerage> {
    const database = await createDatabase();
    await prepareDatabase(database.url, 'auto', { info() {}, warn() {}, error() {} });
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    const dataDir = await mkdtemp(join(tmpdir(), 'tercet-steering-'));
    const sql: Sql = async (text, values = []) => (await admin.query(text, values)).rows as unknown[];
    const steerage = new Steerage(database.url, sql, dataDir);
    steerage.ends.push(
      () => database.drop(),
      () => admin.end(),
      () => rm(dataDir, { recursive: true }),
    );
    return steerage;
  }

  onEnd(end: () => Promise<unknown>): void {
    this.ends.push(end);
  }

  async end(): Promise<void> {
    for (const end of this.ends.reverse()) await end();
  }

  /** Not started. */
  config(node: string, over: Partial<NodeConfigParts> = {}): NodeConfig {
    const logger = {
      info() {},
      warn: (fields: object, message: string): void => void this.told.push({ message, fields }),
      error() {},
    };
    const database = new Database({ url: this.url, leaseMs: LEASE_MS, connections: 2 }, logger);
    const wakes = new ConfigWakes(this.url, null, logger);
    const clock = new SystemClock();
    const states = new ConfigStates({ database, wakeups: wakes, clock, logger });
    const reports = new Reports({ database, clock, logger, changed: () => undefined });
    const config = new NodeConfig({
      states,
      contents: new ReleaseContents(database),
      activation: new Activation(database, LEASE_MS),
      report: (...said) => reports.take(...said),
      lastGood: new LastGood(join(this.dataDir, `${node}.json`), this.url),
      settings: {},
      node,
      labels: {},
      leaseMs: LEASE_MS,
      member: () => {
        throw new LogUnavailable('no member');
      },
      clock,
      logger,
      ...over,
    });
    this.onEnd(async () => {
      states.close();
      await config.stop();
      await wakes.close();
      await database.close();
    });
    return config;
  }

  /** Drives transactions, and follows. */
  async engine(
    node: string,
    participants: Participants = new Services().asSeenBy(node),
    leaseMs = LEASE_MS,
  ): Promise<{ config: NodeConfig; engine: EngineNode; stop: () => Promise<void> }> {
    const config = this.config(node, { member: () => engine.coordinator.member });
    await config.start();
    const services = new Services();
    const { steering } = config;
    const engine: EngineNode = await EngineNode.start({
      url: this.url,
      services,
      node,
      leaseMs,
      participants,
      steering,
    });
    config.follow();
    let isStopped = false;
    const stop = async (): Promise<void> => {
      if (isStopped) return;
      isStopped = true;
      await engine.stop();
    };
    this.onEnd(stop);
    return { config, engine, stop };
  }

  async reports(): Promise<Report[]> {
    const rows = await this.sql('SELECT instance, incarnation, namespaces FROM tercet.config_report ORDER BY instance');
    return (rows as { instance: string; incarnation: string; namespaces: string }[]).map((row) => {
      return { ...row, namespaces: JSON.parse(row.namespaces) as Report['namespaces'] };
    });
  }
}
