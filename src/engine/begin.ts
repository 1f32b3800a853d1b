/** What a new transaction or branch must satisfy, and how it starts. */
import { begun } from '../domain/machine.js';
import { planSaga } from '../domain/saga-plan.js';
import type { PlannedBranch } from '../domain/saga-plan.js';
import { isCheck } from '../domain/transaction.js';
import type { Branch, BranchPlan, MessagePlan, SagaPlan, Topic, Transaction } from '../domain/transaction.js';
import { TercetError } from '../protocol/errors.js';
import type { CheckPolicy, Drive, Mode, Op } from '../protocol/words.js';
import type { Component, ComponentDirectory } from './ports.js';

/** Problems of one saga that are listed. */
const MAX_PROBLEMS = 20;

/** A branch as it was asked for; all beyond the payload is of sagas, but for the topic. */
export interface NewBranch extends PlannedBranch {
  /** Empty: it goes to a topic. */
  readonly component: string;
  /** Of a delivery to Kafka. */
  readonly topic?: Topic | null;
}

/** What a message is begun with beyond its branches, the first of which is the check. */
export interface MessageRequest {
  /** What differs from the check of the component that is asked. */
  readonly check: Partial<CheckPolicy>;
  readonly deliverAt: number | null;
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
  /** Of a message. */
  readonly message?: MessageRequest;
  readonly branches: readonly NewBranch[];
  /** The header of this name, if there was one. */
  readonly traceparent?: string | undefined;
}

/** A request of which all makes sense. */
export interface Accepted {
  /** Of the branches of a saga. */
  readonly plans: readonly BranchPlan[];
  readonly message: MessagePlan | null;
}

/**
 * What is begun, if all that it names is there.
 *
 * @param isKafkaOn whether anything can go to a topic
 * @param steered the component under what it begins under
 * @throws TercetError 422, naming the field
 */
export async function accept(
  request: BeginRequest,
  components: ComponentDirectory,
  isKafkaOn: boolean,
  steered: (component: Component) => Component,
): Promise<Accepted> {
  const plans = plansOf(request);
  let message: MessagePlan | null = null;
  for (const [index, branch] of request.branches.entries()) {
    if (branch.topic) {
      if (!isKafkaOn) throw kafkaOff(`${pathOf(request, index)}.topic`);
      continue;
    }
    const ops = opsOf(request.mode, branch.branchId, plans[index] ?? null);
    const component = await componentFor(components, branch.component, ops, `${pathOf(request, index)}.component`);
    if (request.message && index === 0) {
      const { check, deliverAt } = request.message;
      message = { check: { ...steered(component).check, ...check }, deliverAt };
    }
  }
  return { plans, message };
}

/** Where in the request a branch stands. */
function pathOf({ message }: BeginRequest, index: number): string {
  if (!message) return `branches[${index}]`;
  return index === 0 ? 'check' : `deliveries[${index - 1}]`;
}

function kafkaOff(path: string): TercetError {
  const message = 'this coordinator has no Kafka; set KAFKA_BROKERS, or deliver to a component';
  return new TercetError('TERCET_KAFKA_OFF', `${path}: ${message}`, [{ path, message }]);
}

/** What the saga says of each branch. @throws TercetError TERCET_SAGA_INVALID, naming what makes no sense */
function plansOf({ saga, branches }: BeginRequest): BranchPlan[] {
  if (!saga) return [];
  const planned = planSaga(branches, saga.recovery);
  if ('plans' in planned) return planned.plans;
  const problems = planned.problems.slice(0, MAX_PROBLEMS);
  const [first] = problems;
  throw new TercetError('TERCET_SAGA_INVALID', `${first?.path ?? ''}: ${first?.message ?? ''}`, problems);
}

/** The operations that the coordinator may call of a branch. @param plan null: it is of no saga */
export function opsOf(mode: Mode, branchId: string, plan: BranchPlan | null): Op[] {
  switch (mode) {
    case 'tcc':
      return ['try', 'confirm', 'cancel'];
    case 'saga':
      return plan?.compensate ? ['action', 'compensate'] : ['action'];
    case 'message':
      return isCheck({ mode }, { branchId }) ? ['check'] : ['deliver'];
  }
}

export function openTransaction(
  gid: string,
  request: BeginRequest,
  { plans, message, trace, release }: Accepted & Pick<Transaction, 'trace' | 'release'>,
  now: number,
): Transaction {
  const tx: Transaction = {
    gid,
    mode: request.mode,
    drive: request.drive,
    businessKey: request.businessKey,
    status: 'open',
    decision: null,
    reason: null,
    parked: null,
    branches: request.branches.map((branch, index) => newBranch(branch, now, plans[index] ?? null, message)),
    beganAt: now,
    decidedAt: null,
    endedAt: null,
    deadlineAt: request.deadlineMs === null ? null : now + request.deadlineMs,
    plan: request.saga ?? null,
    message,
    trace,
    release,
  };
  return begun(tx, now);
}

/**
 * Recorded as started before anybody is called: a crash in between must cancel it (G3). A branch of a saga waits for
 * its turn, a delivery for the decision, and the check until the half message is as old as it says.
 */
export function newBranch(
  { branchId, component, payload, topic = null }: NewBranch,
  now: number,
  plan: BranchPlan | null = null,
  message: MessagePlan | null = null,
): Branch {
  const checkAt = message && isCheck({ mode: 'message' }, { branchId }) ? now + message.check.afterMs : null;
  const isWaiting = plan !== null || (message !== null && checkAt === null);
  return {
    branchId,
    component,
    payload,
    state: isWaiting ? 'waiting' : 'started',
    attempts: 0,
    tries: 0,
    since: isWaiting ? null : (checkAt ?? now),
    retryAt: checkAt,
    reply: null,
    gaveUp: null,
    plan,
    span: null,
    topic,
    ahead: false,
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
