/** What is to go wrong, and with which call. */
import type { Op } from '../../protocol/words.js';

export type Fault =
  /** The participant says no. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The participant fails: 500. */
  | { readonly kind: 'failed'; readonly detail: string }
  /** No answer comes back in time; `late`: the call arrives when the transaction is over. */
  | { readonly kind: 'timeout'; readonly takesEffect: boolean | 'late' }
  /** The coordinator is killed before the call leaves, or when it was answered and nothing of that is durable. */
  | { readonly kind: 'crash'; readonly when: 'before' | 'after' };

export interface PlannedFault {
  readonly component: string;
  readonly op: Op;
  /** Undefined: whichever of the component's branches is called. */
  readonly branchId?: string | undefined;
  readonly fault: Fault;
  /** Calls that it meets. */
  readonly times: number;
}

interface Pending extends PlannedFault {
  met: number;
}

/** Those of one operation are used up in the order in which they were planned. */
export class Faults {
  private readonly planned: Pending[] = [];

  plan(planned: PlannedFault): void {
    if (!(planned.times >= 1)) throw new RangeError(`times: must be 1 or more, not ${planned.times}`);
    this.planned.push({ ...planned, met: 0 });
  }

  /** What this call meets; null: nothing. */
  next(component: string, op: Op, branchId: string): Fault | null {
    const found = this.planned.find(
      (pending) =>
        pending.component === component &&
        pending.op === op &&
        (pending.branchId ?? branchId) === branchId &&
        pending.met < pending.times,
    );
    if (!found) return null;
    found.met += 1;
    return found.fault;
  }

  /** Those that no call has met: a test that plans one and never meets it proves less than it seems to. */
  unmet(): string[] {
    return this.planned
      .filter(({ met }) => met === 0)
      .map(
        ({ component, op, fault }) => `${faultText(fault)} was planned for ${op} of ${component}: it was never called`,
      );
  }
}

export function faultText(fault: Fault): string {
  switch (fault.kind) {
    case 'refused':
      return `a refusal (${fault.reason})`;
    case 'failed':
      return `a failure (${fault.detail})`;
    case 'timeout':
      if (fault.takesEffect === 'late') return 'a timeout of a call that arrives late';
      return fault.takesEffect ? 'a timeout of a call that has its effect' : 'a timeout of a call that gets lost';
    case 'crash':
      return fault.when === 'before' ? 'a crash before the call leaves' : 'a crash when the call was answered';
  }
}
