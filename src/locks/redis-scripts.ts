/**
 * What is done in Redis, each in one step. KEYS[1] is the lock, KEYS[2] the counter of its tokens. A lock is a key that
 * ends by itself; its value says in JSON who holds it, so that people can look.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly text: string;
  readonly sha: string;
}

/** The counter outlives its last use by a day, so that names that are used once leave nothing behind for ever. */
const COUNTER_MS = 86_400_000;

const OWNER = `
local function ownerOf(value)
  return value and cjson.decode(value).owner
end`;
const NOW = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end`;
/** What `show`, `seize` and `acquire` say of who holds the lock: its value, how long yet, the time of the server. */
const HOLDER = `
local function holder()
  local value = redis.call('GET', KEYS[1])
  return value and {value, redis.call('PTTL', KEYS[1]), now()}
end`;

/**
 * ARGV: owner, node, ttl in ms. Answers the token, or who holds the lock.
 *
 * A counter that is not there begins with the time in ms: tokens rise even where the server has lost its data, unless
 * a lock was taken more than a thousand times a second until then, or the clock went back.
 */
export const ACQUIRE = script(`${NOW}${HOLDER}
local held = holder()
if held then return held end
local at = now()
local token = redis.call('INCR', KEYS[2])
if token == 1 then token = at end
redis.call('SET', KEYS[2], string.format('%.0f', token), 'PX', ${COUNTER_MS})
local value = {owner = ARGV[1], node = ARGV[2], token = token, since = at}
redis.call('SET', KEYS[1], cjson.encode(value), 'PX', ARGV[3])
return token`);

/** ARGV: owner, ttl in ms. */
export const RENEW = script(`${OWNER}
if ownerOf(redis.call('GET', KEYS[1])) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`);

/** ARGV: owner. */
export const RELEASE = script(`${OWNER}
if ownerOf(redis.call('GET', KEYS[1])) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', KEYS[1], '')
return 1`);

/** The same, and wakes nobody. */
export const WITHDRAW = script(`${OWNER}
if ownerOf(redis.call('GET', KEYS[1])) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`);

export const SHOW = script(`${NOW}${HOLDER}
return holder()`);

export const SEIZE = script(`${NOW}${HOLDER}
local held = holder()
if held then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', KEYS[1], '')
end
return held`);

/** ARGV: owner, token. From now on the owner's token is this one, and all after it are higher. */
export const RAISE = script(`${OWNER}
if tonumber(redis.call('GET', KEYS[2]) or 0) < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ${COUNTER_MS})
end
local value = redis.call('GET', KEYS[1])
if ownerOf(value) ~= ARGV[1] then return 0 end
value = cjson.decode(value)
value.token = tonumber(ARGV[2])
redis.call('SET', KEYS[1], cjson.encode(value), 'KEEPTTL')
return 1`);

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}
