/** Asking the store of a generator: never for ever, and what failed is told in the same words everywhere. */
import { CodedError } from '../platform/coded-error.js';
import { within } from '../platform/within.js';

/** Whoever asks for an id waits no longer for the store. */
export const ASK_MS = 2000;
/** While it can go on without, it asks a store that failed again after this. */
export const AGAIN_MS = 1000;

export class Store {
  asked = 0;
  failures = 0;
  /** Why the last request came to nothing; null: it did not. */
  trouble: string | null = null;

  /** @param name as it stands in messages: `the database` */
  constructor(
    private readonly name: string,
    private readonly limitMs = ASK_MS,
  ) {}

  /**
   * What comes too late is dropped: it was bought, and nobody uses it.
   *
   * @throws CodedError TERCET_ID_UNAVAILABLE; one that `request` throws comes out as it is
   */
  async ask<T>(request: () => Promise<T>): Promise<T> {
    this.asked += 1;
    try {
      const answer = await within(this.limitMs, request(), () => new Error(`no answer within ${this.limitMs} ms`));
      this.trouble = null;
      return answer;
    } catch (error) {
      this.failures += 1;
      if (error instanceof CodedError) {
        // It has answered, and what it said is refused.
        this.trouble = null;
        throw error;
      }
      this.trouble = error instanceof Error ? error.message : String(error);
      const detail = `${this.name} gives no ids (${this.trouble}), and none are left; ask again when it is back`;
      throw new CodedError('TERCET_ID_UNAVAILABLE', detail, { cause: error });
    }
  }

  /** @param left how far it comes without */
  warnings(left: string): string[] {
    return this.trouble === null ? [] : [`ids: ${this.name} does not give new ones, ${left}`];
  }
}

export function closed(): CodedError {
  return new CodedError('TERCET_ID_UNAVAILABLE', 'the generator was closed; make a new one');
}
