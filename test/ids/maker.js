/**
 * A process of its own that makes ids with the built package while its clock is set forward and back, and appends them to a
 * file in the order in which they were made.
 */
import { openSync, writeSync } from 'node:fs';
import { Redis } from 'ioredis';
import pg from 'pg';
import { segment, sequence, snowflake, uuidv7 } from '@tercet/client';
import { redisIds } from '@tercet/client/redis';

const { kind, count, file, database, redis, isWild } = JSON.parse(process.argv[2]);
const AT_A_TIME = 1000;
/** Of one ms to some hours. Tame ones never take the clock back by as much as 2 s in all. */
const TAME = [-400, -60, -3, 3, 60, 400];
const WILD = [...TAME, -10_800_000, -60_000, -2500, 2500, 60_000, 10_800_000];

const realNow = Date.now.bind(Date);
let stepMs = 0;
Date.now = () => realNow() + stepMs;

function step() {
  const steps = isWild ? WILD : TAME;
  const next = stepMs + steps[Math.floor(Math.random() * steps.length)];
  if (isWild || Math.abs(next) < 900) stepMs = next;
}

const pool = new pg.Pool({ connectionString: database, max: 2 });
const generators = {
  uuidv7,
  snowflake: () => snowflake({ database: pool }),
  segment: () => segment({ database: pool }),
  sequence: () => sequence({ database: pool }),
  redis: () => redisIds({ redis: new Redis(redis) }),
};

const ids = await generators[kind]();
const output = openSync(file, 'a');
for (let made = 0; made < count; made += AT_A_TIME) {
  const lines = [];
  const next = () => ids.next().then((id) => lines.push(id));
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, count - made) }, next));
  writeSync(output, `${lines.join('\n')}\n`);
  step();
}
// As a process ends that nobody closed anything in.
process.exit(0);
