/** `simulate --seed N --schedules M`: prints one line of JSON a second, and ends at the first violation. */
import { runSchedule } from './schedule.js';
import type { Ends } from './schedule.js';

function option(name: string, otherwise: number): number {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? otherwise : Number(process.argv[index + 1]);
}

const first = option('seed', 1);
const schedules = option('schedules', 1);
const isTraced = process.argv.includes('--trace');
// Most of what is thrown is a fault that was asked for, and a stack costs more than the rest of it.
if (!isTraced) Error.stackTraceLimit = 0;
const ends: Ends = {
  committed: 0,
  aborted: 0,
  sagasCommitted: 0,
  sagasAborted: 0,
  messagesCommitted: 0,
  messagesAborted: 0,
};
let events = 0;
let seed = first;
for (; seed < first + schedules; seed += 1) {
  const result = await runSchedule(seed, isTraced);
  events += result.events;
  for (const end of Object.keys(ends) as (keyof Ends)[]) ends[end] += result.ends[end];
  if (isTraced) process.stdout.write(`${result.trail.join('\n')}\n`);
  if (result.violations.length > 0) {
    process.stdout.write(`${JSON.stringify({ seed, violations: result.violations })}\n`);
    process.exitCode = 1;
    break;
  }
}
process.stdout.write(`${JSON.stringify({ schedules: Math.min(seed - first + 1, schedules), events, ...ends })}\n`);
