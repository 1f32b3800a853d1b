/** Nest on Fastify, with a body parser of its own: what JSON cannot carry unchanged is refused, not lost. */
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { AppModule } from '../app.module.js';
import type { Parts } from '../app.module.js';
import type { Logger } from '../engine/ports.js';
import { LIMITS } from '../protocol/words.js';
import { parseBody } from './body.js';
import { ProblemFilter } from './problem-filter.js';

/** A gid of 128 characters in percent-encoding, and what comes around it. */
const MAX_PARAM_CHARS = 1000;
const REQUEST_TIMEOUT_MS = 30_000;

export async function createServer(parts: Parts, logger: Logger): Promise<NestFastifyApplication> {
  const problems = new ProblemFilter(logger);
  const adapter = new FastifyAdapter({
    bodyLimit: LIMITS.bodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: MAX_PARAM_CHARS },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // What the router itself refuses, such as a path that is no percent-encoding.
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) =>
      problems.answer(error, reply),
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
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.over(parts), adapter, {
    bodyParser: false,
    logger: false,
    abortOnError: false,
  });
  app.useGlobalFilters(problems);
  return app;
}
