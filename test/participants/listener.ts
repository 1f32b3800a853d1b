/** Something that listens where nobody should connect: it counts who does, and says nothing. */
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

export class Listener {
  connections = 0;
  readonly port: number;

  private constructor(private readonly server: Server) {
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      this.connections += 1;
      socket.on('error', () => {}).destroy();
    });
  }

  /** @param port 0 takes a free one */
  static async start(host: string, port = 0): Promise<Listener> {
    const server = createServer();
    await new Promise<void>((ready, fail) => {
      server.once('error', fail);
      server.listen(port, host, ready);
    });
    return new Listener(server);
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}
