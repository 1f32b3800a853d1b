/** Why a call came to nothing, in words that fit into a timeline of 80 columns. */
import { types } from 'node:util';

/** By the code of Node and undici. A function adds what the error knows. */
const WORDS: Readonly<Record<string, string | ((error: SystemError) => string)>> = {
  ECONNREFUSED: ({ address = '', port = '' }) =>
    `connection refused by ${address.includes(':') ? `[${address}]` : address}:${port}`,
  ECONNRESET: 'connection reset before an answer came',
  EPIPE: 'connection closed before the call was sent',
  UND_ERR_SOCKET: 'connection closed before an answer came',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  ETIMEDOUT: 'no connection in time',
  EHOSTUNREACH: ({ address = 'the host' }) => `there is no way to ${address}`,
  ENETUNREACH: ({ address = 'the host' }) => `there is no way to ${address}`,
  ENOTFOUND: ({ hostname = 'it' }) => `the name ${hostname} does not resolve`,
  EAI_AGAIN: ({ hostname = 'it' }) => `the name ${hostname} does not resolve now`,
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the answer are too long',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer is not as long as it said',
  UND_ERR_DESTROYED: 'this node stops',
  UND_ERR_CLOSED: 'this node stops',
};

interface SystemError extends Error {
  readonly code?: unknown;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

export function described(error: unknown): string {
  if (!types.isNativeError(error)) return String(error);
  const told = firstOf(error);
  const code = typeof told.code === 'string' ? told.code : '';
  const words = WORDS[code];
  if (typeof words === 'function') return words(told);
  if (words !== undefined) return words;
  if (told.name === 'HTTPParserError') return 'the answer is not HTTP';
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code)) return `the certificate is not accepted (${code})`;
  if (/^(EPROTO|ERR_SSL_)/.test(code)) return `no TLS is spoken there (${code})`;
  const message = told.message || 'no connection';
  return code === '' || message.includes(code) ? message : `${message} (${code})`;
}

/** Where several addresses of a host were tried, one stands for the others. */
function firstOf(error: SystemError): SystemError {
  const [first] = 'errors' in error && Array.isArray(error.errors) ? (error.errors as unknown[]) : [];
  return types.isNativeError(first) ? first : error;
}
