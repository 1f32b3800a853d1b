/**
 * Keeps the bytes of calls as they came: a signature covers those, and body parsers do not keep them. It looks on where
 * the stream gets its bytes from the socket, so that it works with every adapter, and whatever reads the stream later.
 */
import type { IncomingMessage, Server } from 'node:http';
import { HEADERS, LIMITS } from '../../protocol/words.js';

const kept = new WeakMap<IncomingMessage, Buffer[]>();

/** From now on, for requests that claim to be signed. */
export function keepRawBodies(server: Server): void {
  server.prependListener('request', (request: IncomingMessage) => {
    if (request.headers[HEADERS.signature] === undefined) return;
    const chunks: Buffer[] = [];
    let bytes = 0;
    const push = request.push.bind(request);
    request.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
      bytes += chunk?.length ?? 0;
      // No call is as large as this; what else comes in is not held twice.
      if (bytes > LIMITS.bodyBytes) kept.delete(request);
      else if (chunk) chunks.push(chunk);
      return push(chunk, encoding);
    };
    kept.set(request, chunks);
  });
}

/** Undefined: not all of them were seen. */
export function rawBodyOf(request: IncomingMessage): Buffer | undefined {
  const chunks = kept.get(request);
  return chunks && request.complete ? Buffer.concat(chunks) : undefined;
}
