/** What a new transaction or branch must satisfy, and how it starts. */
import { uuidv7 } from 'uuidv7';
import type { Branch, Transaction } from '../domain/transaction.js';
import { TercetError } from '../protocol/errors.js';
import type { Drive, Mode, Op } from '../protocol/words.js';
import type { Component, ComponentDirectory } from './ports.js';

const OPS_OF_MODE: Readonly<Record<Mode, readonly Op[]>> = {
  tcc: ['try', 'confirm', 'cancel'],
  saga: ['action'],
  message: [],
};

export interface NewBranch {
  readonly branchId: string;
  readonly component: string;
  /** JSON text. */
  readonly payload: string;
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
  readonly branches: readonly NewBranch[];
  /** The header of this name, if there was one. */
  readonly traceparent?: string | undefined;
}

export function openTransaction(request: BeginRequest, trace: string | null, now: number): Transaction {
  return {
    gid: request.gid ?? uuidv7(),
    mode: request.mode,
    drive: request.drive,
    businessKey: request.businessKey,
    status: 'open',
    decision: null,
    reason: null,
    parked: null,
    branches: request.branches.map((branch) => startedBranch(branch, now)),
    beganAt: now,
    decidedAt: null,
    endedAt: null,
    deadlineAt: request.deadlineMs === null ? null : now + request.deadlineMs,
    trace,
  };
}

/** Recorded as started before anybody is called: a crash in between must cancel it (G3). */
export function startedBranch({ branchId, component, payload }: NewBranch, now: number): Branch {
  return {
    branchId,
    component,
    payload,
    state: 'started',
    attempts: 0,
    tries: 0,
    since: now,
    retryAt: null,
    reply: null,
    gaveUp: null,
  };
}

/** The registered component, with every operation that the mode needs. @throws TercetError 422, naming `path` */
export async function componentFor(
  components: ComponentDirectory,
  name: string,
  mode: Mode,
  path: string,
): Promise<Component> {
  const component = await components.find(name);
  if (!component) {
    const message = `no component '${name}' is registered`;
    throw new TercetError('TERCET_COMPONENT_NOT_REGISTERED', `${path}: ${message}; register it first`, [
      { path, message },
    ]);
  }
  const lacking = OPS_OF_MODE[mode].filter((op) => component.targets[op] === undefined);
  if (lacking.length > 0) {
    const message = `component '${name}' has no URL for ${lacking.join(', ')}`;
    throw new TercetError('TERCET_COMPONENT_LACKS_OPERATION', `${path}: ${message}`, [{ path, message }]);
  }
  return component;
}
