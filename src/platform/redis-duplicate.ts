/** A connection of one's own to the Redis of an instance that the user gives, which stays as it is. */
import type { Redis } from 'ioredis';

const RECONNECT_MS = { step: 50, most: 1000 };
const CONNECT_MS = 3000;
/** For the other end to close a connection, too, before it is cut. */
const DISCONNECT_MS = 100;
/** Ends a connection whose other end is gone without a word. */
const KEEP_ALIVE_MS = 10_000;

/** Made when it is first needed. It queues nothing while there is none, sends nothing twice, and tries again for ever. */
export function duplicateOf(redis: Redis, timeoutMs: number): Redis {
  return redis.duplicate({
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableAutoPipelining: false,
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: RECONNECT_MS.most,
    commandTimeout: timeoutMs,
    connectTimeout: CONNECT_MS,
    disconnectTimeout: DISCONNECT_MS,
    keepAlive: KEEP_ALIVE_MS,
    readOnly: false,
    stringNumbers: false,
    keyPrefix: '',
    retryStrategy: (times) => Math.min(times * RECONNECT_MS.step, RECONNECT_MS.most),
    // The master is elsewhere now: the next connection may find it.
    reconnectOnError: (error) => error.message.includes('READONLY'),
  });
}
