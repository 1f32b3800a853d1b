/** A network between a client and PostgreSQL that can be made to fail. */
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';

export class Proxy {
  private readonly server = createServer((client) => this.accept(client));
  private readonly pairs = new Set<{ client: Socket; server: Socket }>();
  private isSilent = false;
  private isLosingAnswers = false;
  private doomed: string | null = null;
  private held: (() => void)[] = [];
  private unheard: string | null = null;

  private constructor(private target: URL) {}

  static async start(url: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(url));
    await new Promise<void>((ready) => proxy.server.listen(0, '127.0.0.1', ready));
    return proxy;
  }

  /** The target's URL by way of this proxy. */
  get url(): string {
    const address = this.server.address();
    const url = new URL(this.target);
    url.port = String(typeof address === 'object' ? address?.port : '');
    return url.href;
  }

  /** What clients send from now on gets through; the answer to it does not, and the connection is cut instead. */
  loseAnswers(): void {
    this.isLosingAnswers = true;
  }

  /** The answer to the first statement that contains this text does not get through: every connection is cut instead. */
  loseAnswerTo(text: string): void {
    this.doomed = text;
  }

  /** Who connects from now on gets to another server; the connections that are there stay. */
  lead(url: string): void {
    this.target = new URL(url);
  }

  /** Who connects from now on is refused; the connections that are there stay. */
  refuse(): void {
    this.server.close();
  }

  /** Nothing gets through in either direction, and nobody is told, until `heal`. */
  silence(): void {
    this.isSilent = true;
  }

  /** Nobody answers those who connect from now on under this name of an application. */
  ignore(application: string): void {
    this.unheard = application;
  }

  /** All is well again; what clients sent meanwhile arrives now, even if they are gone. */
  heal(): void {
    this.isSilent = false;
    this.isLosingAnswers = false;
    for (const deliver of this.held.splice(0)) deliver();
  }

  /** Cuts every connection. */
  cut(): void {
    for (const { client, server } of this.pairs) {
      client.destroy();
      server.destroy();
    }
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((done) => this.server.close(done));
  }

  private accept(client: Socket): void {
    const server = connect(Number(this.target.port), this.target.hostname);
    const pair = { client, server };
    this.pairs.add(pair);
    const over = (): void => {
      this.pairs.delete(pair);
      client.destroy();
      this.whenHealed(() => server.end());
    };
    for (const socket of [client, server]) socket.on('error', over).on('close', over).setNoDelay();
    let isLost = false;
    client.on('data', (chunk) => {
      if (this.doomed !== null && chunk.includes(this.doomed)) {
        this.doomed = null;
        isLost = true;
      }
      if (this.unheard === null || !chunk.includes(this.unheard)) this.whenHealed(() => server.write(chunk));
    });
    server.on('data', (chunk) => {
      if (isLost) this.cut();
      else if (this.isLosingAnswers) over();
      else this.whenHealed(() => client.write(chunk));
    });
  }

  private whenHealed(deliver: () => void): void {
    if (this.isSilent) this.held.push(deliver);
    else deliver();
  }
}
