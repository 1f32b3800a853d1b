/** Waits for a condition, not for ever: nothing of a failed test runs on. */
import { setTimeout as pause } from 'node:timers/promises';
import { SYSTEM_CLOCK } from '../../src/platform/surroundings.js';
import type { Clock } from '../../src/platform/surroundings.js';

const LIMIT_MS = 20_000;
const PAUSE_MS = 5;

export async function until(what: string, isSo: () => Promise<boolean>, limitMs = LIMIT_MS): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`after ${limitMs} ms it is still not so that ${what}`);
    await pause(PAUSE_MS);
  }
}

/** The readiness probe of TercetModule says that all is well. */
export function ready(url: string): Promise<void> {
  return until(`${url} answers 200`, async () => (await fetch(url)).status === 200);
}

/** For tests that count: what may be waited for takes ten times as long, so that a busy machine is not late. */
export const PATIENT_CLOCK: Clock = { ...SYSTEM_CLOCK, monotonic: () => performance.now() / 10 };
