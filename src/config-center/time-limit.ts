/** Runs what others wrote, schemas and their patterns, for so long and no longer: the node does nothing else meanwhile. */
import { createContext, Script } from 'node:vm';

const nothing = (): unknown => undefined;
const BOX = createContext({ run: nothing });
const RUN = new Script('run()');

/** It was ended, or went too deep for the stack. */
export class TooSlow extends Error {}

/**
 * What `work` returns, or throws. It is ended in the middle, also of a regular expression: what it was changing is lost.
 *
 * @param ms by the clock
 * @throws TooSlow
 */
export function within<T>(ms: number, work: () => T): T {
  BOX['run'] = work;
  try {
    return RUN.runInContext(BOX, { timeout: ms, displayErrors: false }) as T;
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException;
    if (code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new TooSlow(`it takes more than ${ms} ms`);
    if (name === 'RangeError') throw new TooSlow('it goes too deep');
    throw error;
  } finally {
    BOX['run'] = nothing;
  }
}
