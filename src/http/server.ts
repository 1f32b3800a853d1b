/** Nest on Fastify, with a body parser of its own: what JSON cannot carry unchanged is refused, not lost. */
import { maxHeaderSize } from 'node:http';
import type { Socket } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { ConnectionError, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppModule } from '../app.module.js';
import type { Parts } from '../app.module.js';
import type { Logger } from '../engine/ports.js';
import { TercetError } from '../protocol/errors.js';
import { LIMITS } from '../protocol/words.js';
import type { Certificate } from '../tls.js';
import { parseBody } from '../protocol/body.js';
import { httpsOptions, renewCertificate } from './certificate.js';
import { Guard } from './guard.js';
import type { KeyEntry } from './keys.js';
import { ProblemFilter } from './problem-filter.js';
import { watchTraffic } from './traffic.js';

const REQUEST_TIMEOUT_MS = 30_000;
/** Who has not sent or read all by then is cut off, so that the process ends. */
const CLOSE_MS = 2000;

export interface ServerOptions {
  /** Empty: no key is asked for. */
  readonly keys: readonly KeyEntry[];
  readonly viewerSees: 'all' | 'no-payloads';
  /** Null: plain HTTP. */
  readonly tls: Certificate | null;
}

export async function createServer(
  parts: Parts,
  logger: Logger,
  options: ServerOptions,
): Promise<NestFastifyApplication> {
  const problems = new ProblemFilter(logger);
  const adapter = new FastifyAdapter({
    bodyLimit: LIMITS.bodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Node bounds path and headers together; what is too long to be a gid is one that does not exist.
    routerOptions: { maxParamLength: maxHeaderSize },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // People type it so.
    rewriteUrl: ({ url = '' }) => (url === '/docs/' ? '/docs' : url),
    clientErrorHandler: refuseBytes,
    // What the router itself refuses, such as a path that is no percent-encoding.
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) =>
      problems.answer(error, reply),
    ...(options.tls ? { https: httpsOptions(options.tls, REQUEST_TIMEOUT_MS) } : {}),
  });
  const fastify = adapter.getInstance();
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseBody(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  watchTraffic(fastify, () => parts.metrics.http, parts.maxRequests);
  letIn(fastify, new Guard(options.keys, options.viewerSees));
  fastify.addHook('onRequest', (request, _reply, done) => done(queryProblem(request.raw.url ?? '')));
  closeSoon(fastify);
  // Node would answer what it cannot expect with an empty 417.
  fastify.server.on('checkExpectation', (request, response) => fastify.server.emit('request', request, response));
  if (options.tls) renewCertificate(fastify, options.tls, logger);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.over(parts), adapter, {
    bodyParser: false,
    logger: false,
    abortOnError: false,
  });
  app.useGlobalFilters(problems);
  return app;
}

/** The first that happens to a request: of one that may not be here, nothing more is read. */
function letIn(fastify: FastifyInstance, guard: Guard): void {
  fastify.decorateRequest('caller');
  fastify.addHook('onRequest', (request, _reply, done) => {
    try {
      request.caller = guard.admit(request);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
}

/** What is no HTTP at all never becomes a request: its answer is written by hand. */
function refuseBytes(error: ConnectionError, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const problem = new TercetError('TERCET_REQUEST_MALFORMED', whyRefused(error)).toProblem();
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} Bad Request`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function whyRefused({ code, message }: ConnectionError): string {
  if (code === 'HPE_HEADER_OVERFLOW') return `the path and the headers are longer than ${maxHeaderSize} bytes`;
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return `the request did not come whole within ${REQUEST_TIMEOUT_MS} ms`;
  return `the request is not HTTP/1.1: ${message}`;
}

/** Left to itself the parser of queries takes what it cannot decode as it stands. */
function queryProblem(url: string): Error | undefined {
  const start = url.indexOf('?');
  if (start < 0) return undefined;
  try {
    decodeURIComponent(url.slice(start));
    return undefined;
  } catch {
    return new TercetError('TERCET_REQUEST_MALFORMED', 'the query is no percent-encoding of UTF-8');
  }
}

/** A connection that is kept alive after its last answer would hold up the end of the process. */
function closeSoon(fastify: FastifyInstance): void {
  // The server lists its connections too, but none that has not shaken hands for TLS.
  const open = new Set<Socket>();
  fastify.server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  fastify.addHook('preClose', (done) => {
    fastify.server.keepAliveTimeout = 1;
    setTimeout(() => {
      for (const socket of open) socket.destroy();
    }, CLOSE_MS).unref();
    done();
  });
}
