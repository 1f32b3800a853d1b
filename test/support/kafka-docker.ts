/** A Kafka broker of one's own as a container: the service `kafka` of docker-compose.yml, on a port of its own. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { answers, properties } from './kafka-broker.js';
import type { Broker } from './kafka-broker.js';
import { freePorts } from './server-process.js';

const SERVICE = 'kafka';
const START_MS = 240_000;
const run = promisify(execFile);

/** Whether an engine answers, and the compose file has the service. */
export function dockerHasKafka(): boolean {
  const ask = (...args: string[]): string =>
    execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 5000 });
  try {
    ask('info');
    return ask('compose', 'config', '--services').split('\n').includes(SERVICE);
  } catch {
    return false;
  }
}

/** Its name stands in `folder/container` until it is stopped. */
export async function startDockerBroker(folder: string): Promise<Broker> {
  mkdirSync(folder, { recursive: true });
  const [port, controllerPort] = await freePorts();
  const address = `127.0.0.1:${port}`;
  const name = `tercet-${basename(dirname(folder))}-${basename(folder)}`;
  const environment = Object.entries(properties('0.0.0.0', port, controllerPort)).flatMap(([key, value]) => {
    return ['-e', `KAFKA_${key.toUpperCase().replaceAll('.', '_')}=${value}`];
  });
  writeFileSync(join(folder, 'container'), name);
  const docker = async (...args: string[]): Promise<void> => void (await run('docker', args, { timeout: START_MS }));
  // Frozen at once: what follows must not reach it.
  const now = (...args: string[]): void => void execFileSync('docker', args, { stdio: 'ignore', timeout: START_MS });
  const never = new Promise<void>(() => {});
  const lastWords = (): string => `see docker logs ${name}`;
  const ports = ['-p', `127.0.0.1:${port}:${port}`];
  const stop = async (): Promise<void> => {
    await docker('rm', '-f', name);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await docker('compose', 'run', '-d', '--no-deps', '--name', name, ...ports, ...environment, SERVICE);
    await answers(address, never, lastWords);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    address,
    freeze: () => now('pause', name),
    thaw: () => now('unpause', name),
    kill: () => docker('kill', name),
    restart: async () => {
      await docker('start', name);
      await answers(address, never, lastWords);
    },
    stop,
  };
}
