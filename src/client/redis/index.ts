/** @tercet/client/redis: what needs an instance of ioredis, which is yours. */
export { redisIds } from '../../ids/redis.js';
export type { RedisIdsOptions } from '../../ids/redis.js';
export { RedisLocks } from '../../locks/redis.js';
export type { RedisLocksOptions } from '../../locks/redis.js';
export { Redlock } from '../../locks/redlock.js';
