/** What a new transaction or branch must satisfy, and how it starts. */
import { uuidv7 } from 'uuidv7';
import { begun } from '../domain/machine.js';
import { planSaga } from '../domain/saga-plan.js';
import type { PlannedBranch } from '../domain/saga-plan.js';
import type { Branch, BranchPlan, SagaPlan, Transaction } from '../domain/transaction.js';
import { TercetError } from '../protocol/errors.js';
import type { Drive, Mode, Op } from '../protocol/words.js';
import type { Component, ComponentDirectory } from './ports.js';

/** Problems of one saga that are listed. */
const MAX_PROBLEMS = 20;

/** A branch as it was asked for; all beyond the payload is of sagas. */
export interface NewBranch extends PlannedBranch {
  readonly component: string;
}

export interface BeginRequest {
  /** Null: one is made. */
  readonly gid: string | null;
  /** Says whether two requests with one gid are the same; see docs/wire.md section 4. */
  readonly contentHash: string;
  readonly mode: Mode;
  readonly drive: Drive;
  readonly businessKey: string | null;
  readonly deadlineMs: number | null;
  /** Of a saga. */
  readonly saga?: SagaPlan;
  readonly branches: readonly NewBranch[];
  /** The header of this name, if there was one. */
  readonly traceparent?: string | undefined;
}

/** What the saga says of each branch. @throws TercetError TERCET_SAGA_INVALID, naming what makes no sense */
export function plansOf({ saga, branches }: BeginRequest): BranchPlan[] {
  if (!saga) return [];
  const planned = planSaga(branches, saga.recovery);
  if ('plans' in planned) return planned.plans;
  const problems = planned.problems.slice(0, MAX_PROBLEMS);
  const [first] = problems;
  throw new TercetError('TERCET_SAGA_INVALID', `${first?.path ?? ''}: ${first?.message ?? ''}`, problems);
}

/** The operations that the coordinator may call of a branch. @param plan null: it is of no saga */
export function opsOf(mode: Mode, plan: BranchPlan | null): Op[] {
  switch (mode) {
    case 'tcc':
      return ['try', 'confirm', 'cancel'];
    case 'saga':
      return plan?.compensate ? ['action', 'compensate'] : ['action'];
    case 'message':
      return [];
  }
}

export function openTransaction(
  request: BeginRequest,
  plans: readonly BranchPlan[],
  trace: string | null,
  now: number,
): Transaction {
  const tx: Transaction = {
    gid: request.gid ?? uuidv7(),
    mode: request.mode,
    drive: request.drive,
    businessKey: request.businessKey,
    status: 'open',
    decision: null,
    reason: null,
    parked: null,
    branches: request.branches.map((branch, index) => newBranch(branch, plans[index] ?? null, now)),
    beganAt: now,
    decidedAt: null,
    endedAt: null,
    deadlineAt: request.deadlineMs === null ? null : now + request.deadlineMs,
    plan: request.saga ?? null,
    trace,
  };
  return begun(tx, now);
}

/**
 * Recorded as started before anybody is called: a crash in between must cancel it (G3). A branch of a saga waits for
 * its turn.
 */
export function newBranch({ branchId, component, payload }: NewBranch, plan: BranchPlan | null, now: number): Branch {
  return {
    branchId,
    component,
    payload,
    state: plan ? 'waiting' : 'started',
    attempts: 0,
    tries: 0,
    since: plan ? null : now,
    retryAt: null,
    reply: null,
    gaveUp: null,
    plan,
    span: null,
  };
}

/** The registered component, with every operation that is needed. @throws TercetError 422, naming `path` */
export async function componentFor(
  components: ComponentDirectory,
  name: string,
  ops: readonly Op[],
  path: string,
): Promise<Component> {
  const component = await components.find(name);
  if (!component) {
    const message = `no component '${name}' is registered`;
    throw new TercetError('TERCET_COMPONENT_NOT_REGISTERED', `${path}: ${message}; register it first`, [
      { path, message },
    ]);
  }
  const lacking = ops.filter((op) => component.targets[op] === undefined);
  if (lacking.length > 0) {
    const message = `component '${name}' has no URL for ${lacking.join(', ')}`;
    throw new TercetError('TERCET_COMPONENT_LACKS_OPERATION', `${path}: ${message}`, [{ path, message }]);
  }
  return component;
}
