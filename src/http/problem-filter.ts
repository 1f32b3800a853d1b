/** Every error as RFC 9457 problem+json with a code of docs/errors.md. */
import { Catch, HttpException } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { LogOutcomeUnknown, LogUnavailable } from '../engine/ports.js';
import type { Logger } from '../engine/ports.js';
import { TercetError } from '../protocol/errors.js';
import { LIMITS } from '../protocol/words.js';

/** After which it makes sense to ask again, unless the error says so. */
const RETRY_AFTER_MS = 1000;

@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    this.answer(error, host.switchToHttp().getResponse<FastifyReply>());
  }

  answer(error: unknown, reply: FastifyReply): void {
    if (reply.sent) return;
    const coded = this.asTercetError(error);
    const problem = coded.toProblem();
    if (problem.status === 429 || problem.status === 503) {
      void reply.header('retry-after', Math.ceil((coded.retryAfterMs ?? RETRY_AFTER_MS) / 1000));
    }
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
    void reply.status(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem));
  }

  private asTercetError(error: unknown): TercetError {
    if (error instanceof TercetError) return error;
    if (error instanceof LogOutcomeUnknown) {
      return new TercetError(
        'TERCET_OUTCOME_UNKNOWN',
        'the database went away while it was committing; ask for the gid, or repeat the request with the same gid',
      );
    }
    if (error instanceof LogUnavailable) {
      return new TercetError('TERCET_NOT_READY', `nothing was accepted: ${error.message}; repeat the request soon`);
    }
    return fromFramework(error) ?? this.defect(error);
  }

  private defect(error: unknown): TercetError {
    const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.logger.error({ error: shown }, 'defect: an error that nobody foresaw');
    return new TercetError(
      'TERCET_INTERNAL',
      'something went wrong that nobody foresaw; the log of the node says what',
    );
  }
}

/** What Fastify and Nest refuse before a controller sees it. */
function fromFramework(error: unknown): TercetError | null {
  const status = error instanceof HttpException ? error.getStatus() : (error as { statusCode?: unknown }).statusCode;
  const message = error instanceof Error ? error.message : String(error);
  switch (status) {
    case 404:
      return new TercetError('TERCET_ROUTE_UNKNOWN', `${message}; docs/wire.md lists the paths`);
    case 413:
      return new TercetError('TERCET_REQUEST_TOO_LARGE', `the body is larger than ${LIMITS.bodyBytes} bytes`);
    case 415:
      return new TercetError('TERCET_REQUEST_NOT_JSON', 'send the body as content-type application/json');
    case 400:
    case 414:
    case 431:
      return new TercetError('TERCET_REQUEST_MALFORMED', message);
    default:
      return null;
  }
}
