/** A service that answers in every way there is, by lot. */
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Random } from './random.js';

const SLOW_MS = 150;
const GARBAGE: readonly (string | Buffer)[] = [
  'null',
  '"\\ud800"',
  '{"a":"\\u0000"}',
  '{"__proto__":{"a":1}}',
  '9007199254740993',
  `${'['.repeat(65)}${']'.repeat(65)}`,
  `"${'ä'.repeat(30_000)}"`,
  `"${'x'.repeat(70_000)}"`,
  '<html>502</html>',
  '\u0000\r\n\t',
  Buffer.from([0xff, 0xfe, 0x00]),
  '{"reason":"\\ud83d"}',
  '{"reason":"\\u0000"}',
  `{"reason":"${'👍'.repeat(600)}x"}`,
  '{"reason":17}',
];
const STATUSES = [200, 200, 200, 200, 409, 409, 409, 201, 204, 206, 302, 400, 404, 409, 425, 429, 500, 503, 599];
const PATIENCE = ['0', '1', '-1', 'x', '1e9', '99999999999999999999', new Date().toUTCString()];

export class Participant {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(random: Random): Promise<Participant> {
    const server = createServer((request, response) => {
      request.resume();
      request.on('error', () => undefined);
      request.on('end', () => answer(response, random));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Participant(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }
}

function answer(response: ServerResponse, random: Random): void {
  const lot = random.below(100);
  if (lot < 70) end(response, 200, random.pick(['{}', '{"held":300}', '', '[1,"ü",null]']));
  else if (lot < 76) end(response, 409, JSON.stringify({ reason: random.pick(['sold out', '', '👩‍👧', "it's"]) }));
  else if (lot < 79) end(response, 425, '', { 'retry-after': random.pick(PATIENCE) });
  else if (lot < 84) end(response, 500, 'broken');
  else if (lot < 89) setTimeout(() => end(response, 200, '{}'), SLOW_MS * random.next());
  else if (lot < 99) end(response, random.pick(STATUSES), random.pick(GARBAGE));
  else response.destroy();
}

function end(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = {},
): void {
  response.on('error', () => undefined);
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}
