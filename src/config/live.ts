/**
 * One value that is replaced as a whole while the program runs. Whoever reads it gets the old one or the new one, and
 * whoever must agree to a new one does so before anybody sees it.
 */
import type { Logger } from '../platform/surroundings.js';
import { deepFreeze } from './deep-freeze.js';

/**
 * Builds what the next value needs, and changes nothing yet: what it throws rejects the value, and the old one stays.
 * The function that it returns makes it take effect, once the value is in force. Neither may be asynchronous.
 *
 * @param previous null: this is the first that the builder sees
 */
export type Build<T> = (next: T, previous: T | null) => (() => void) | void;

export class Live<T> {
  private readonly builders = new Set<{ readonly build: Build<T> }>();
  private held: T;
  private isChanging = false;

  constructor(
    initial: T,
    private readonly logger: Pick<Logger, 'error'>,
  ) {
    this.held = deepFreeze(initial);
  }

  /** Frozen. To read two things that belong together, take it once. */
  get value(): T {
    return this.held;
  }

  /**
   * Calls `build` for the value that is there, and for each one that is to come. The function returned ends that.
   *
   * @throws what `build` throws now; it is not called again then
   */
  onChange(build: Build<T>): () => void {
    const takeEffect = built(build, this.held, null);
    const entry = { build };
    this.builders.add(entry);
    takeEffect?.();
    return () => void this.builders.delete(entry);
  }

  /**
   * Puts the next value in force, in one turn: all builders, then the swap, then what they returned.
   *
   * @throws what a builder throws: nothing has changed then; Error: called from a builder
   */
  change(next: T): void {
    if (this.isChanging) throw new Error('a value cannot be changed while it is being changed');
    this.isChanging = true;
    try {
      const frozen = deepFreeze(next);
      const effects = [...this.builders].map(({ build }) => built(build, frozen, this.held));
      this.held = frozen;
      for (const takeEffect of effects) this.run(takeEffect);
    } finally {
      this.isChanging = false;
    }
  }

  /** The value is in force: what fails now does not take it back. */
  private run(takeEffect: (() => void) | undefined): void {
    try {
      takeEffect?.();
    } catch (error) {
      this.logger.error(
        { error: String(error) },
        'what should have taken effect with a new value failed; the value is in force',
      );
    }
  }
}

function built<T>(build: Build<T>, next: T, previous: T | null): (() => void) | undefined {
  const result: unknown = build(next, previous);
  if (result === undefined || typeof result === 'function') return result as (() => void) | undefined;
  // Of an asynchronous one nobody would hear what it throws.
  Promise.resolve(result).catch(() => undefined);
  throw new TypeError('what listens to a change must return a function or nothing; it cannot be asynchronous');
}
