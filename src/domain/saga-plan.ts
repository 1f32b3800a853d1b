/** From what a saga was begun with to the plans of its branches, or to what makes no sense in it. */
import type { FieldError } from '../protocol/errors.js';
import type { Recovery } from '../protocol/words.js';
import { referencesIn } from './reference.js';
import type { BranchPlan } from './transaction.js';

/** A branch as it was asked for. In order unless all of them say what they come after. */
export interface PlannedBranch extends Partial<Omit<BranchPlan, 'after'>> {
  readonly branchId: string;
  /** JSON text. */
  readonly payload: string;
  readonly after?: readonly string[];
}

/** The plans, in the order of the branches, or every problem that was found, each named by its place. */
export function planSaga(
  branches: readonly PlannedBranch[],
  recovery: Recovery,
): { plans: BranchPlan[] } | { problems: FieldError[] } {
  const problems: FieldError[] = [];
  const positions = new Map(branches.map(({ branchId }, index) => [branchId, index]));
  const plans = branches.map(({ branchId, after, compensate = true, pivot = false, ...rest }, index): BranchPlan => {
    const { timeoutMs, deadlineMs, retry, compensateRetry } = rest;
    return {
      after: after === undefined ? (index === 0 ? [] : [index - 1]) : known(after, branchId, index),
      compensate,
      pivot,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(retry === undefined ? {} : { retry }),
      ...(compensateRetry === undefined ? {} : { compensateRetry }),
    };
  });

  function known(after: readonly string[], branchId: string, index: number): number[] {
    const complain = (name: string, message: string): void => {
      problems.push({ path: `branches[${index}].after[${after.indexOf(name)}]`, message });
    };
    return [...new Set(after)].flatMap((name) => {
      const position = positions.get(name);
      if (name === branchId) complain(name, `branch '${branchId}' cannot come after itself`);
      else if (position === undefined) complain(name, `there is no branch '${name}'`);
      else return [position];
      return [];
    });
  }

  if (problems.length > 0) return { problems };
  const order = sorted(plans);
  const cycle = order.length < plans.length ? cycleIn(plans, new Set(order)) : [];
  if (cycle.length > 0) {
    const names = cycle.map((position) => `'${branches[position]?.branchId ?? ''}'`);
    const message = `is part of a cycle: ${names.join(' comes after ')}`;
    return { problems: [{ path: `branches[${cycle[0] ?? 0}].after`, message }] };
  }
  const isBefore = ranBefore(plans, order);
  problems.push(...senseless(branches, isBefore, recovery));
  if (problems.length > 0) return { problems };
  const pivot = plans.findIndex((plan) => plan.pivot);
  const isUndone = (plan: BranchPlan, position: number): boolean =>
    plan.compensate && recovery === 'backward' && (pivot < 0 || !isBefore(pivot, position));
  return { plans: plans.map((plan, position) => ({ ...plan, compensate: isUndone(plan, position) })) };
}

/** Positions so that each comes behind all that it comes after (Kahn 1962); those of cycles are missing. */
function sorted(plans: readonly BranchPlan[]): number[] {
  const waitsFor = plans.map(({ after }) => after.length);
  const followers = plans.map((): number[] => []);
  plans.forEach(({ after }, position) => after.forEach((each) => followers[each]?.push(position)));
  const order = waitsFor.flatMap((count, position) => (count === 0 ? [position] : []));
  for (const position of order) {
    for (const follower of followers[position] ?? []) {
      waitsFor[follower] = (waitsFor[follower] ?? 0) - 1;
      if (waitsFor[follower] === 0) order.push(follower);
    }
  }
  return order;
}

/** The positions of one cycle, its first again at its end. @param outside all that is part of none, and more */
function cycleIn(plans: readonly BranchPlan[], outside: ReadonlySet<number>): number[] {
  const path: number[] = [];
  let position = plans.findIndex((_, each) => !outside.has(each));
  while (!path.includes(position)) {
    path.push(position);
    // What could not be sorted comes after something that could not be either.
    position = plans[position]?.after.find((each) => !outside.has(each)) ?? position;
  }
  return [...path.slice(path.indexOf(position)), position];
}

/** Tells whether one branch certainly ran before another, as bits: a thousand branches have half a million pairs. */
function ranBefore(plans: readonly BranchPlan[], order: readonly number[]): (first: number, then: number) => boolean {
  const words = Math.ceil(plans.length / 32);
  const bits = new Uint32Array(plans.length * words);
  for (const position of order) {
    const own = bits.subarray(position * words, (position + 1) * words);
    for (const each of plans[position]?.after ?? []) {
      bits.subarray(each * words, (each + 1) * words).forEach((word, index) => (own[index] = (own[index] ?? 0) | word));
      own[each >> 5] = (own[each >> 5] ?? 0) | (1 << (each & 31));
    }
  }
  return (first, then) => (((bits[then * words + (first >> 5)] ?? 0) >>> (first & 31)) & 1) === 1;
}

function senseless(
  branches: readonly PlannedBranch[],
  isBefore: (first: number, then: number) => boolean,
  recovery: Recovery,
): FieldError[] {
  const problems: FieldError[] = [];
  const positions = new Map(branches.map(({ branchId }, index) => [branchId, index]));
  const pivot = branches.findIndex((branch) => branch.pivot);
  branches.forEach(({ branchId, payload, compensate, compensateRetry, pivot: isPivot }, index) => {
    const complain = (field: string, message: string): void => {
      problems.push({ path: `branches[${index}].${field}`, message: `branch '${branchId}' ${message}` });
    };
    const isAfterPivot = pivot >= 0 && isBefore(pivot, index);
    if (isPivot && index !== pivot) {
      complain('pivot', `cannot be a pivot too: '${branches[pivot]?.branchId ?? ''}' is, and a saga is decided once`);
    }
    if (isPivot && recovery === 'forward') complain('pivot', 'cannot decide what forward recovery decided at begin');
    if (compensate === true && (isAfterPivot || recovery === 'forward')) {
      const why = isAfterPivot ? `comes after the pivot '${branches[pivot]?.branchId ?? ''}'` : 'recovers forward';
      complain('compensate', `${why}: it is never undone, so it must not need to be`);
    }
    if (compensate === false && compensateRetry)
      complain('compensateRetry', 'has nothing to undo, so nothing to repeat');
    const references = referencesIn(payload);
    if (typeof references === 'string') complain('payload', references);
    else {
      for (const { branchId: name } of references) {
        const position = positions.get(name);
        if (position === undefined) complain('payload', `refers to the reply of '${name}', which is no branch`);
        else if (!isBefore(position, index)) {
          complain('payload', `refers to the reply of '${name}', which need not have run before it`);
        }
      }
    }
  });
  return problems;
}
