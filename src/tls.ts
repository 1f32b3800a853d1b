/** Certificates in PEM files: the one that this node shows, and what it trusts and shows when it calls. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { SecureContextOptions } from 'node:tls';

export const MIN_TLS = 'TLSv1.2';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  /** With the certificates between it and its root, if there are any. */
  readonly cert: Buffer;
  readonly key: Buffer;
}

type Value = (name: string) => string | undefined;

/** Null: neither is set. @throws Error that begins with the name of a setting */
export function serverCertificate(value: Value): Certificate | null {
  return certificate(value, 'TERCET_TLS_CERT', 'TERCET_TLS_KEY');
}

/** For connections to participants; null: what Node does. @throws Error that begins with the name of a setting */
export function callTls(value: Value): SecureContextOptions | null {
  const own = certificate(value, 'TERCET_CALL_CERT', 'TERCET_CALL_KEY');
  const caFile = value('TERCET_CALL_CA');
  if (own === null && caFile === undefined) return null;
  const ca = caFile === undefined ? {} : { ca: authorities(caFile) };
  const options = { minVersion: MIN_TLS, ...ca, ...(own ? { cert: own.cert, key: own.key } : {}) } as const;
  // Refused here or never: it is put to use in another thread.
  createSecureContext(options);
  return options;
}

/** The files as they are now. @throws Error saying why they cannot be used */
export function readCertificate(certFile: string, keyFile: string): Certificate {
  const pair = { certFile, keyFile, cert: read(certFile), key: read(keyFile) };
  try {
    createSecureContext({ cert: pair.cert, key: pair.key });
  } catch (error) {
    throw new Error(
      `the certificate in '${certFile}' and the key in '${keyFile}' are no pair: ${(error as Error).message}`,
    );
  }
  return pair;
}

function certificate(value: Value, certName: string, keyName: string): Certificate | null {
  const [certFile, keyFile] = [value(certName), value(keyName)];
  if (certFile === undefined && keyFile === undefined) return null;
  if (certFile === undefined) throw new Error(`${certName} is not set, and goes with ${keyName}`);
  if (keyFile === undefined) throw new Error(`${keyName} is not set, and goes with ${certName}`);
  try {
    return readCertificate(certFile, keyFile);
  } catch (error) {
    throw new Error(`${certName}, ${keyName}: ${(error as Error).message}`);
  }
}

/** OpenSSL passes over what is none of its kind, so that a wrong file would trust nobody, and say nothing. */
function authorities(file: string): Buffer {
  try {
    const bytes = read(file);
    const blocks = bytes.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
    if (blocks.length === 0) throw new Error(`'${file}' holds no certificate in PEM form`);
    for (const block of blocks) new X509Certificate(block);
    return bytes;
  } catch (error) {
    throw new Error(`TERCET_CALL_CA: ${(error as Error).message}`);
  }
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`'${file}' cannot be read: ${(error as Error).message}`);
  }
}
