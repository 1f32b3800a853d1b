/**
 * What must hold of a saga, seen from outside: from what was asked, what the log was told and what left for the
 * services. It knows nothing of how the domain comes to it: what ran before what is read from the order of the writes.
 */
import { isHeld } from '../../src/domain/transaction.js';
import type { Branch, Transaction } from '../../src/domain/transaction.js';
import type { CallRequest } from '../../src/engine/ports.js';
import { payloadWith } from './saga.js';
import type { AskedBranch, AskedReference, AskedSaga } from './saga.js';
import type { Part } from './services.js';

interface Watched extends AskedSaga {
  /** Of the log. */
  writes: number;
  /** The writes in which a branch was started, and was done. */
  readonly startedIn: Map<string, number>;
  readonly doneIn: Map<string, number>;
  /** The writes that caught up with what was called ahead of the log: what happened between two of them has no order there. */
  readonly caughtUpIn: Set<number>;
  /** What each process was told to be done, recorded or not. */
  readonly heard: Map<string, Set<string>>;
  /** Whose compensation somebody was told to be done. */
  readonly undone: Set<string>;
  readonly payloads: Map<string, string>;
  /** Processes that sent a compensation. */
  readonly undoing: Set<string>;
  /** Calls under way, by process. */
  readonly calls: Map<string, number>;
}

export class SagaWatch {
  readonly violations: string[] = [];
  private readonly sagas = new Map<string, Watched>();

  begins(gid: string, saga: AskedSaga): void {
    this.sagas.set(gid, {
      ...saga,
      writes: 0,
      startedIn: new Map(),
      doneIn: new Map(),
      caughtUpIn: new Set(),
      heard: new Map(),
      undone: new Set(),
      payloads: new Map(),
      undoing: new Set(),
      calls: new Map(),
    });
  }

  /** The log holds `after` now. @param before null: it is new */
  written(before: Transaction | null, after: Transaction): void {
    const saga = this.sagas.get(after.gid);
    if (!saga) return;
    saga.writes += 1;
    const isAhead = (tx: Transaction | null): boolean => tx?.branches.some(({ ahead }) => ahead) === true;
    if (isAhead(before) && !isAhead(after)) saga.caughtUpIn.add(saga.writes);
    if (saga.recovery === 'forward' && after.decision !== 'commit') {
      this.broken(`${after.gid} recovers forward, and is ${after.status}`);
    }
    if (before?.decision === null && after.decision === 'commit') this.committed(saga, after);
    const { parked } = after;
    if (parked?.op === 'compensate' && !parked.why.startsWith('rollback incomplete: ')) {
      this.broken(`${after.gid} is half undone, and parked as '${parked.why}'`);
    }
    let hasStarted = false;
    after.branches.forEach((branch, index) => {
      const was = before?.branches[index];
      if (was === branch) return;
      const { branchId, state } = branch;
      if (state === 'started' && (was?.state ?? 'waiting') === 'waiting') {
        hasStarted = true;
        saga.startedIn.set(branchId, saga.writes);
        this.started(saga, before, after, branchId);
      }
      if (state === 'done' && was?.state !== 'done') {
        saga.doneIn.set(branchId, saga.writes);
        if (saga.branches.get(branchId)?.isPivot && after.decision !== 'commit') {
          this.broken(`the pivot of ${after.gid} is done, and the log says ${after.decision}`);
        }
      }
      if (state === 'refused' && was?.state !== 'refused' && before?.decision === 'commit') {
        this.broken(`${branchId} of ${after.gid} may refuse no more: it was decided`);
      }
      if (was && was.reply !== null && was.reply !== branch.reply) {
        this.broken(`the reply of ${branchId} of ${after.gid} was ${was.reply} and is now ${branch.reply}`);
      }
    });
    if (hasStarted && after.branches.filter(isRunning).length > saga.parallel) {
      this.broken(`more than ${saga.parallel} branches of ${after.gid} run`);
    }
  }

  private committed(saga: Watched, after: Transaction): void {
    const isDone = (branchId: string): boolean => stateOf(after, branchId) === 'done';
    const branches = [...saga.branches.values()];
    if (branches.every(({ branchId }) => isDone(branchId))) return;
    if (branches.some(({ branchId, isPivot }) => isPivot && isDone(branchId))) return;
    this.broken(`${after.gid} was decided for commit, and neither its pivot nor all of it is done`);
  }

  private started(saga: Watched, before: Transaction | null, after: Transaction, branchId: string): void {
    if (before?.decision === 'abort') this.broken(`${branchId} of ${after.gid} was started after the abort`);
    if (isHeld(after)) this.broken(`${branchId} of ${after.gid} was started though somebody had parked it`);
    const early = this.notThrough(saga, after, branchId);
    if (early !== undefined) this.broken(`${branchId} of ${after.gid} was started before ${early} was done`);
  }

  private notThrough(saga: Watched, tx: Transaction, branchId: string, heard?: Set<string>): string | undefined {
    return saga.branches.get(branchId)?.after.find((name) => {
      const state = stateOf(tx, name);
      return !heard?.has(name) && state !== 'done' && state !== 'forced' && state !== 'compensated';
    });
  }

  /** A call leaves a process. Gives a function to say that it is back. @param recorded as the log has it now */
  callLeaves(
    { tx: { gid }, branch, op }: CallRequest,
    process: string,
    recorded: Transaction,
  ): (isDone: boolean) => void {
    const saga = this.sagas.get(gid);
    const asked = saga?.branches.get(branch.branchId);
    if (!saga || !asked) return () => undefined;
    const what = `${op} of ${gid}/${branch.branchId} left ${process}`;
    if (op === 'action') this.actionLeaves(saga, asked, process, recorded, what);
    else this.compensationLeaves(saga, asked, branch, process, recorded, what);
    const payload = saga.payloads.get(branch.branchId) ?? resolved(asked, recorded);
    if (payload !== branch.payload) this.broken(`${what} with ${branch.payload}, and the log makes it ${payload}`);
    else saga.payloads.set(branch.branchId, payload);
    const calls = (saga.calls.get(process) ?? 0) + 1;
    saga.calls.set(process, calls);
    if (calls > saga.parallel) this.broken(`${what} as call ${calls} at a time, of ${saga.parallel}`);
    return (isDone) => {
      saga.calls.set(process, (saga.calls.get(process) ?? 0) - 1);
      if (isDone && op === 'compensate') saga.undone.add(branch.branchId);
      if (isDone && op === 'action') {
        const heard = saga.heard.get(process) ?? new Set();
        saga.heard.set(process, heard.add(branch.branchId));
      }
    };
  }

  private actionLeaves(
    saga: Watched,
    { branchId }: AskedBranch,
    process: string,
    recorded: Transaction,
    what: string,
  ): void {
    const { state, ahead } = branchOf(recorded, branchId) ?? {};
    if (state === 'waiting' && !ahead) this.broken(`G3: ${what} before its start was recorded`);
    const early = this.notThrough(saga, recorded, branchId, saga.heard.get(process));
    if (early !== undefined) this.broken(`${what} before ${early} was done`);
    if (saga.undoing.has(process)) this.broken(`${what} after a compensation had left it`);
  }

  private compensationLeaves(
    saga: Watched,
    { branchId, isUndone }: AskedBranch,
    { reply }: Branch,
    process: string,
    recorded: Transaction,
    what: string,
  ): void {
    saga.undoing.add(process);
    if (!isUndone) this.broken(`${what}, which has nothing to undo`);
    const { state: stateNow, ahead, reply: known = null } = branchOf(recorded, branchId) ?? {};
    if (stateNow === 'waiting' && !ahead) this.broken(`${what}, which was never started`);
    for (const { branchId: name, after, isUndone: mustBe } of saga.branches.values()) {
      const mayHaveRun = mustBe && after.includes(branchId) && branchOf(recorded, name)?.ahead === true;
      if (mayHaveRun && !saga.undone.has(name))
        this.broken(`${what} before that of ${name}, which may have come after it`);
    }
    if (reply !== known) this.broken(`${what} with the reply ${reply}, and the log has ${known}`);
    const doneIn = saga.doneIn.get(branchId) ?? Infinity;
    for (const [name, startedIn] of saga.startedIn) {
      // What is done in a write was so before anything was started in it.
      if (startedIn < doneIn || name === branchId || !saga.branches.get(name)?.isUndone || saga.undone.has(name))
        continue;
      if (startedIn === doneIn && saga.caughtUpIn.has(doneIn) && !this.comesAfter(saga, name, branchId)) continue;
      const state = stateOf(recorded, name);
      if (state !== 'compensated' && state !== 'forced') this.broken(`${what} before that of ${name}, started later`);
    }
  }

  /** Directly or not, as the graph says. */
  private comesAfter(saga: Watched, branchId: string, other: string): boolean {
    const after = saga.branches.get(branchId)?.after ?? [];
    return after.some((name) => name === other || this.comesAfter(saga, name, other));
  }

  /** One branch of a saga that has ended. */
  conclude({ gid, status }: Transaction, { branchId, state }: Branch, part: Part | undefined): void {
    const asked = this.sagas.get(gid)?.branches.get(branchId);
    const fence = part?.fence ?? 'none';
    const isRight =
      status === 'committed'
        ? state === 'done' && fence === 'acted'
        : state === 'compensated'
          ? fence === 'undone'
          : state === 'waiting'
            ? fence === 'none'
            : asked?.isUndone === false;
    if (!isRight) this.broken(`G1: ${gid} is ${status}, but ${branchId} is ${fence} (recorded: ${state})`);
  }

  private broken(text: string): void {
    this.violations.push(`saga: ${text}`);
  }
}

function branchOf(tx: Transaction, branchId: string): Branch | undefined {
  return tx.branches.find((branch) => branch.branchId === branchId);
}

function stateOf(tx: Transaction, branchId: string): string {
  return branchOf(tx, branchId)?.state ?? 'waiting';
}

function isRunning({ state, gaveUp }: Branch): boolean {
  return (state === 'started' || state === 'refused') && gaveUp === null;
}

/** The payload with what the log holds of the replies. */
function resolved({ references }: AskedBranch, { branches }: Transaction): string {
  return payloadWith(
    references.map(({ branchId, pointer }) => {
      const reply = branches.find((branch) => branch.branchId === branchId)?.reply;
      return reply ? valueAt(reply, pointer) : 'nothing';
    }),
  );
}

function valueAt(reply: string, pointer: AskedReference['pointer']): string {
  const { id, list } = JSON.parse(reply) as { id: string; list: [number, { 'a/b': string }] };
  switch (pointer) {
    case '':
      return reply;
    case '/id':
      return JSON.stringify(id);
    case '/list/0':
      return JSON.stringify(list[0]);
    case '/list/1/a~1b':
      return JSON.stringify(list[1]['a/b']);
    default:
      return 'nothing';
  }
}
