/** A PostgreSQL that a test may kill and start again, in a folder of its own. */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../../examples/scenarios/processes.js';
import { EmbeddedCluster } from '../../src/storage/embedded-cluster.js';

/** Processes die here, the machine does not. */
const SETTINGS = { fsync: 'off' };

/** A folder that the user of PostgreSQL may enter. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tercet-e2e-'));
  await chmod(folder, 0o711);
  return folder;
}

export class Server {
  private constructor(
    private readonly folder: string,
    private readonly cluster: EmbeddedCluster,
    private readonly port: number,
    readonly url: string,
  ) {}

  static async start(): Promise<Server> {
    const folder = await temporaryFolder();
    const cluster = await EmbeddedCluster.open(join(folder, 'postgres'));
    const { password } = await cluster.initialise();
    const port = await freePort();
    const server = new Server(folder, cluster, port, `postgres://tercet:${password}@127.0.0.1:${port}/postgres`);
    await server.start();
    return server;
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    await this.cluster.start(this.port, SETTINGS);
    while (!(await this.answers())) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Ends every process of it at once, as a crash does: the next start recovers from the write-ahead log. */
  async crash(): Promise<void> {
    const running = await this.cluster.running();
    if (!running) return;
    process.kill(running.pid, 'SIGQUIT');
    while (await this.cluster.isOurs(running.pid)) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Stops every process of it where it stands: connections stay, and nothing answers. */
  async freeze(): Promise<void> {
    await this.signal('SIGSTOP');
  }

  async thaw(): Promise<void> {
    await this.signal('SIGCONT');
  }

  async remove(): Promise<void> {
    await this.crash();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async signal(signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const running = await this.cluster.running();
    if (!running) throw new Error('PostgreSQL does not run');
    const { pid } = running;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    for (const one of [pid, ...children.trim().split(' ').map(Number)]) process.kill(one, signal);
  }

  private async answers(): Promise<boolean> {
    const client = new pg.Client(this.url);
    client.on('error', () => undefined);
    const isThere = await client.connect().then(
      () => true,
      () => false,
    );
    await client.end().catch(() => undefined);
    return isThere;
  }
}
