/** The bytes of a request are kept as they come, whoever reads the stream, and when. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { keepRawBodies, rawBodyOf } from '../../src/client/nest/raw-body.js';

let server: Server;
/** What the application does with a request, before the bytes are asked for. */
let read: (request: IncomingMessage) => Promise<unknown>;
let kept: Buffer | undefined;

beforeAll(async () => {
  server = createServer((request, response) => {
    void read(request).then((value) => {
      kept = rawBodyOf(request);
      response.end(JSON.stringify(value ?? null));
    });
  });
  keepRawBodies(server);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function send(body: Uint8Array<ArrayBuffer>, headers: Record<string, string> = { 'tercet-signature': 'x' }) {
  const { port } = server.address() as AddressInfo;
  return fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body });
}

const bytes = (count: number) => new Uint8Array(count).map((_, at) => at % 251);
const whole = async (request: IncomingMessage) => (await buffer(request)).length;

test('read at once, or a while later: the same bytes, and the reader gets them all', async () => {
  for (const waitMs of [0, 50]) {
    read = async (request) => {
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      return whole(request);
    };
    const body = bytes(300_000);
    expect(await (await send(body)).json()).toBe(body.length);
    expect(kept?.equals(body)).toBe(true);
  }
});

test('a request that does not claim to be signed is left alone', async () => {
  read = whole;
  await send(bytes(10), {});
  expect(kept).toBeUndefined();
});

test('more than a call can be is not held', async () => {
  read = whole;
  expect(await (await send(bytes(1024 * 1024 + 1))).json()).toBe(1024 * 1024 + 1);
  expect(kept).toBeUndefined();
});

test('what has not come whole is not taken for all', async () => {
  read = async () => null;
  await send(bytes(900_000)).catch(() => undefined);
  expect(kept).toBeUndefined();
});
