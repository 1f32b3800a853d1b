/**
 * The service's own code, where it is given secrets in clear. What it throws may quote them, as JSON.parse does, and would
 * be logged, reported, and kept in the audit trail of the center.
 */
import type { Build } from '../../config/live.js';
import type { Parsers } from './snapshot.js';

export function quietParsers(parsers: Parsers): Parsers {
  return Object.fromEntries(Object.entries(parsers).map(([name, parse]) => [name, quiet('its parser', parse)]));
}

export function quietBuild<T>(build: Build<T>): Build<T> {
  const whose = 'what listens to a change';
  const quietly = quiet(whose, build);
  return (next, previous) => {
    const takeEffect = quietly(next, previous);
    return typeof takeEffect === 'function' ? quiet(whose, takeEffect) : takeEffect;
  };
}

/** The same function; of what it throws, the class alone is told. */
function quiet<A extends unknown[], R>(whose: string, run: (...given: A) => R): (...given: A) => R {
  return (...given) => {
    try {
      return run(...given);
    } catch (error) {
      const kind = error instanceof Error ? error.constructor.name : typeof error;
      // Without it as the cause, which is printed as well.
      throw new Error(`${whose} throws ${kind}; secrets are read in clear here, so its message is not told`);
    }
  };
}
