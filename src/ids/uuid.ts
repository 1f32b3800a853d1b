/** UUIDv7 (RFC 9562): 48 bits of ms, then a counter and 32 random bits. No store, and nothing to set up. */
import { uuidv7 as generate } from 'uuidv7';
import type { Ids } from './id.js';

/**
 * All share the generator of the process. Ids of a process rise while its clock steps back by less than 10 s; beyond
 * that they start over at the new time, and still do not repeat: the rest is drawn at random anew.
 */
export function uuidv7(): Ids {
  let made = 0;
  return {
    kind: 'uuidv7',
    next() {
      made += 1;
      return Promise.resolve(generate());
    },
    warnings: () => [],
    facts: () => ({ made, asked: 0, failures: 0, stepsBack: 0, waits: 0, left: null, leftMs: null }),
    close: () => Promise.resolve(),
  };
}
