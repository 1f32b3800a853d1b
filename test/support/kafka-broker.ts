/** A Kafka broker of one's own that can be frozen, killed and started again: a Java process with its data in a folder. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import type { KafkaProgram } from './kafka-jars.js';
import { freePorts, ServerProcess } from './server-process.js';

const READY_MS = 90_000;
const HEAP = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC'];
const LOGGING = `rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1} %m%n`;

export interface Broker {
  /** `host:port`, as KAFKA_BROKERS has it. */
  readonly address: string;
  /** It keeps its connections and answers nothing. */
  freeze: () => void;
  thaw: () => void;
  /** As a crash does; its data and its port stay its own. */
  kill: () => Promise<void>;
  /** After a kill, until it answers. */
  restart: () => Promise<void>;
  /** For good: its data is gone. */
  stop: () => Promise<void>;
}

/** What a broker of one node is given, save where it is; others are told through `environment`. */
export function properties(listen: string, port: number, controllerPort: number): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://${listen}:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'auto.create.topics.enable': 'false',
    'default.replication.factor': '1',
    'min.insync.replicas': '1',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'num.network.threads': '2',
    'num.io.threads': '4',
    'log.cleaner.threads': '1',
    'log.cleaner.dedupe.buffer.size': '16777216',
  };
}

/**
 * Starts one with its data in `folder`, which is made, and waits until it answers. The process outlives this one: its
 * id stands in `folder/pid` until it is stopped.
 */
export async function startJavaBroker({ java, classPath }: KafkaProgram, folder: string): Promise<Broker> {
  const server = new ServerProcess(java, folder);
  const [port, controllerPort] = await freePorts();
  const address = `127.0.0.1:${port}`;
  const config = join(folder, 'server.properties');
  const lines = { ...properties('127.0.0.1', port, controllerPort), 'log.dirs': join(folder, 'data') };
  const written = Object.entries(lines).map(([name, value]) => `${name}=${value}`);
  writeFileSync(config, written.join('\n'));
  writeFileSync(join(folder, 'log4j2.properties'), LOGGING);
  const logging = `-Dlog4j2.configurationFile=file:${join(folder, 'log4j2.properties')}`;
  const cluster = `A${randomBytes(16).toString('base64url').slice(1, 22)}`;
  const format = ['kafka.tools.StorageTool', 'format', '-t', cluster, '-c', config];
  execFileSync(java, ['-XX:TieredStopAtLevel=1', logging, '-cp', classPath, ...format], { stdio: 'pipe' });

  const start = async (): Promise<void> => {
    const args = [...HEAP, '-Djava.awt.headless=true', logging, '-cp', classPath, 'kafka.Kafka', config];
    await answers(address, server.start(args), () => server.lastWords());
  };
  try {
    await start();
  } catch (error) {
    await server.kill();
    throw error;
  }
  return {
    address,
    freeze: () => server.signal('SIGSTOP'),
    thaw: () => server.signal('SIGCONT'),
    kill: () => server.kill(),
    restart: start,
    stop: () => server.stop(),
  };
}

/** Waits until a broker answers for itself. */
export async function answers(address: string, ended: Promise<void>, lastWords: () => string): Promise<void> {
  const retry = { retries: 0 };
  const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, connectionTimeout: 1000, retry });
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  const until = performance.now() + READY_MS;
  for (;;) {
    const admin = kafka.admin();
    try {
      await admin.connect();
      const { brokers } = await admin.describeCluster();
      if (brokers.length > 0) return;
    } catch (error) {
      if (hasEnded || performance.now() > until) {
        throw new Error(`Kafka ${hasEnded ? 'ended' : 'does not answer'}: ${lastWords()}`, { cause: error });
      }
    } finally {
      await admin.disconnect();
    }
    await pause(100);
  }
}
