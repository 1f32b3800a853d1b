/** HTTPS, with a certificate that may be replaced while the node runs. */
import type { Server, ServerOptions } from 'node:https';
import type { FastifyInstance } from 'fastify';
import type { Logger } from '../engine/ports.js';
import { MIN_TLS, readCertificate } from '../tls.js';
import type { Certificate } from '../tls.js';

/** How soon a certificate that was replaced in its files is shown. */
const RENEW_MS = 60_000;

export function httpsOptions({ cert, key }: Certificate, handshakeTimeout: number): ServerOptions {
  return { cert, key, minVersion: MIN_TLS, handshakeTimeout };
}

/** Certificates end sooner than a node should: what stands in the files is shown without a restart. */
export function renewCertificate(fastify: FastifyInstance, shown: Certificate, logger: Logger): void {
  const server = fastify.server as Server;
  const timer = setInterval(() => {
    try {
      const found = readCertificate(shown.certFile, shown.keyFile);
      if (found.cert.equals(shown.cert) && found.key.equals(shown.key)) return;
      server.setSecureContext({ cert: found.cert, key: found.key, minVersion: MIN_TLS });
      shown = found;
      logger.info({ file: shown.certFile }, 'the certificate was replaced; new connections see it');
    } catch (error) {
      logger.warn({ error: String(error) }, 'the certificate cannot be renewed; the one from before is still shown');
    }
  }, RENEW_MS).unref();
  fastify.addHook('preClose', (done) => {
    clearInterval(timer);
    done();
  });
}
