/** What a benchmark runs on: a database of its own, a participant, a coordinator, and the load generator in this process. */
import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmbedded } from '../storage/embedded.js';
import { SpareDatabase } from '../storage/spare-database.js';
import { register, throughCoordinator, withoutCoordinator } from './calls.js';
import type { Work } from './calls.js';
import { cpuOf, cpuOfServer, serverOf } from './cpu.js';
import type { Clock } from './load.js';
import { Post } from './post.js';
import type { Answer } from './post.js';
import { startCoordinator, startParticipant } from './processes.js';
import type { Environment, Started } from './processes.js';
import type { Cpu } from './turns.js';

/** The last confirms may take so long after the last answer. */
const SETTLE_MS = 30_000;
const POLL_MS = 10;

export const CLOCK: Clock = { now: () => performance.now(), sleep: (ms) => sleep(ms) };
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface Place {
  /** Null: an embedded PostgreSQL, new and in a folder of its own in `dataDir`, gone afterwards. */
  readonly databaseUrl: string | null;
  readonly dataDir: string;
  /** In the database of `databaseUrl` itself, not in one beside it. */
  readonly isWithin: boolean;
  /** Of the processes that are started: nothing in it is a setting unless it is meant. */
  readonly env: Environment;
}

export class Rig {
  readonly post = new Post();
  readonly cores = availableParallelism();
  /** Begins that were answered with a transaction. */
  accepted = 0;
  /** Transactions of which a request was answered 503 or 504, and repeated. */
  repeated = 0;
  private gids = 0;
  private constructor(
    readonly place: Place,
    readonly database: SpareDatabase,
    /** Of PostgreSQL; null: not on this machine. */
    private readonly server: number | null,
    private readonly cleanUps: (() => Promise<unknown>)[],
    private parts: { coordinator: Started; participant: Started },
    private readonly signal: AbortSignal,
  ) {}

  /** @throws TercetError, Trouble, or the reason of `signal`, when something it needs is not there; nothing is left then */
  static async start(place: Place, signal: AbortSignal): Promise<Rig> {
    const cleanUps: (() => Promise<unknown>)[] = [];
    try {
      const url = place.databaseUrl ?? (await embedded(place.dataDir, cleanUps));
      signal.throwIfAborted();
      const database = await (place.isWithin ? SpareDatabase.within(url) : SpareDatabase.beside(url));
      cleanUps.push(() => database.drop());
      signal.throwIfAborted();
      const server = serverOf(await database.pid(), database.name);
      const parts = await startParts(place, database, {}, 0, cleanUps);
      const rig = new Rig(place, database, server, cleanUps, parts, signal);
      cleanUps.push(() => rig.post.close());
      await register(rig.post, parts.coordinator.url, parts.participant.url);
      signal.throwIfAborted();
      return rig;
    } catch (error) {
      await runAll(cleanUps);
      throw error;
    }
  }

  get coordinator(): string {
    return this.parts.coordinator.url;
  }

  get participant(): string {
    return this.parts.participant.url;
  }

  /** Another coordinator in its place, with more settings, and a participant that answers after `delayMs`. */
  async restart(settings: Environment, delayMs: number): Promise<void> {
    await this.parts.coordinator.stop();
    await this.parts.participant.stop();
    this.parts = await startParts(this.place, this.database, settings, delayMs, this.cleanUps);
    await register(this.post, this.coordinator, this.participant);
  }

  /** One transaction through the coordinator; where `mayRefuse`, it may be answered 429, and is not begun then. */
  async through(work: Work, gid = this.gid(), mayRefuse = false): Promise<Answer> {
    const asking = { mayRefuse, signal: this.signal };
    const answer = await throughCoordinator(this.post, this.coordinator, work, gid, asking);
    if (answer.status !== 429) this.accepted += 1;
    if (answer.wasRepeated) this.repeated += 1;
    return answer;
  }

  without(work: Work): Promise<void> {
    return withoutCoordinator(this.post, this.participant, work, this.gid());
  }

  /** One that was not used yet. */
  gid(): string {
    return `bench-${(this.gids += 1)}`;
  }

  /** Waits until nothing is unfinished in `database`, for a while. */
  async settled(database = this.database): Promise<void> {
    const until = performance.now() + SETTLE_MS;
    while ((await database.unfinished()) > 0 && performance.now() < until) await sleep(POLL_MS);
  }

  cpu(): Cpu {
    const { user, system } = process.cpuUsage();
    const { coordinator, participant } = this.parts;
    return {
      coordinator: cpuOf(coordinator.pid),
      postgresql: this.server === null ? null : cpuOfServer(this.server),
      participant: cpuOf(participant.pid),
      load: user + system,
    };
  }

  stop(): Promise<void> {
    return runAll(this.cleanUps);
  }
}

async function startParts(
  { env }: Place,
  { url }: SpareDatabase,
  settings: Environment,
  delayMs: number,
  cleanUps: (() => Promise<unknown>)[],
): Promise<{ coordinator: Started; participant: Started }> {
  const participant = await startParticipant(env, delayMs);
  cleanUps.push(() => participant.stop());
  const coordinator = await startCoordinator(url, { ...env, ...settings });
  cleanUps.push(() => coordinator.stop());
  return { coordinator, participant };
}

/** On the disk where `tercet serve` would have its own. */
async function embedded(dataDir: string, cleanUps: (() => Promise<unknown>)[]): Promise<string> {
  const isNew = (await mkdir(dataDir, { recursive: true })) !== undefined;
  const folder = await mkdtemp(join(dataDir, 'bench-'));
  cleanUps.push(async () => {
    await rm(folder, { recursive: true, force: true });
    // Unless somebody else has put something there meanwhile.
    if (isNew) await rmdir(dataDir).catch(() => undefined);
  });
  const server = await startEmbedded(join(folder, 'postgres'), silent, { max_connections: '200' });
  cleanUps.push(() => server.stop());
  return server.url;
}

/** The last first, each whatever became of the others. */
async function runAll(cleanUps: (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, `not everything was cleaned up: ${failures.join('; ')}`);
}
