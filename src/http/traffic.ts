/** Counts the requests in flight, and refuses those that are too many before their bodies are read. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { HttpMetrics } from '../metrics/http-metrics.js';
import { TercetError } from '../protocol/errors.js';

/** Who asks how the node is gets an answer when it is not well, too. */
const EXEMPT = /^\/(health\/|metrics$)/;

/** What takes back a limit that was too low must not fail by it. */
function isOrder({ method, routeOptions }: FastifyRequest): boolean {
  const isOfConfig = routeOptions.url?.startsWith('/v1/config/:environment/') === true;
  return isOfConfig && method !== 'GET' && routeOptions.url !== '/v1/config/:environment/nodes/:instance';
}

/** @param maxRequests in flight at a time, long polls included; those of /health and /metrics are not counted, orders of the configuration never refused */
export function watchTraffic(fastify: FastifyInstance, metrics: () => HttpMetrics, maxRequests: () => number): void {
  let inFlight = 0;
  fastify.addHook('onRequest', (request, reply, done) => {
    const route = request.routeOptions.url;
    if (route !== undefined && EXEMPT.test(route)) return done();
    inFlight += 1;
    metrics().began();
    // Comes in any case, and once: answered, or the asker went away.
    reply.raw.once('close', () => {
      inFlight -= 1;
      metrics().ended(request.method, route, reply.raw.writableFinished ? reply.statusCode : null);
    });
    const max = maxRequests();
    if (inFlight <= max || isOrder(request)) return done();
    const detail = `this node has ${max} requests in flight; nothing was accepted; repeat the request soon`;
    done(new TercetError('TERCET_NOT_READY', detail));
  });
}
