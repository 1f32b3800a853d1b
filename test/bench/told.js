/**
 * A service that answers as its path says: `/free/…` at once, `/refusing/try` with no, `/hung/…` never, and `/held/…`,
 * `/held-confirm/confirm` and `/held-cancel/cancel` (whose try says no) as soon as somebody posts to `/go`.
 */
import { createServer } from 'node:http';

const body = '{"ok":true}';
const refusal = '{"reason":"no"}';
const NO = ['/refusing/try', '/held-cancel/try'];
const HELD = ['/held-confirm/confirm', '/held-cancel/cancel'];
const held = [];
let isGoing = false;

const server = createServer((request, response) => {
  const { url } = request;
  const answer = () => {
    const [status, text] = NO.includes(url) ? [409, refusal] : [200, body];
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': text.length });
    response.end(text);
  };
  request.resume();
  request.on('end', () => {
    if (url === '/go') {
      isGoing = true;
      for (const go of held.splice(0)) go();
    }
    if (url.startsWith('/hung/')) return;
    if (!isGoing && (url.startsWith('/held/') || HELD.includes(url))) held.push(answer);
    else answer();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`));
