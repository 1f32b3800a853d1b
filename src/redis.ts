/** The only place that loads the Redis client. Whoever is given one of these names a server by it, and connects himself. */
import { Redis } from 'ioredis';

export function redisOf(url: string): Redis {
  const redis = new Redis(url, { lazyConnect: true });
  // Nobody connects it, but what is not listened to would end the process.
  redis.on('error', () => undefined);
  return redis;
}
