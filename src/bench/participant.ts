/**
 * A service that does nothing, as fast as Node can: what is measured is not it. A process of its own; its argument is
 * after how many ms it answers (0). It ends with whoever holds its standard input.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const KEEP_ALIVE_MS = 60_000;
const BODY = '{"ok":true}';
const delayMs = Number(process.argv[2] ?? 0);

const server = createServer((request, response) => {
  const answer = (): void => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': BODY.length });
    response.end(BODY);
  };
  request.resume();
  request.on('end', () => {
    if (delayMs === 0) answer();
    else setTimeout(answer, delayMs);
  });
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
process.stdin.resume().once('end', () => process.exit());
