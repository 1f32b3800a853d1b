/** Sagas for tests of the machine, and a driver that runs one an answer at a time. */
import { advance, begun } from '../../src/domain/machine.js';
import { noneAhead } from '../../src/domain/saga.js';
import { planSaga } from '../../src/domain/saga-plan.js';
import type { PlannedBranch } from '../../src/domain/saga-plan.js';
import type { Answer, Outcome, SagaPlan, Step, Transaction } from '../../src/domain/transaction.js';
import type { Op } from '../../src/protocol/words.js';

export const policy = {
  baseMs: 100,
  factor: 2,
  capMs: 1000,
  jitter: 0,
  maxAttempts: 4,
  maxAgeMs: 60_000,
  tryAttempts: 2,
};
export const UNKNOWN: Outcome = { kind: 'unknown', detail: 'timeout' };
export const REFUSED: Outcome = { kind: 'refused', reason: 'sold out' };
export const done = (reply: unknown = null): Outcome => ({ kind: 'done', reply: JSON.stringify(reply) });

export type Asked = Partial<PlannedBranch> & { branchId: string };

/** As it is right after its begin at time 0. @param isAhead with what its begin lets be called ahead of the log */
export function saga(
  branches: readonly (string | Asked)[],
  over: Partial<SagaPlan> & { deadlineAt?: number; isAhead?: boolean } = {},
): Transaction {
  const { recovery = 'backward', parallel = 100, deadlineAt = null, isAhead = false } = over;
  const asked = branches.map((branch) => ({
    payload: 'null',
    ...(typeof branch === 'string' ? { branchId: branch } : branch),
  }));
  const planned = planSaga(asked, recovery);
  if ('problems' in planned) throw new Error(JSON.stringify(planned.problems));
  const tx: Transaction = {
    gid: 'g',
    mode: 'saga',
    drive: 'coordinator',
    businessKey: null,
    status: 'open',
    decision: null,
    reason: null,
    parked: null,
    branches: asked.map(({ branchId, payload }, index) => ({
      branchId,
      component: branchId,
      payload,
      state: 'waiting',
      attempts: 0,
      tries: 0,
      since: null,
      retryAt: null,
      reply: null,
      gaveUp: null,
      plan: planned.plans[index] ?? null,
      span: null,
      topic: null,
      ahead: false,
    })),
    beganAt: 0,
    decidedAt: null,
    endedAt: null,
    deadlineAt,
    plan: { recovery, parallel },
    message: null,
    trace: null,
    release: null,
  };
  const first = begun(tx, 0);
  return isAhead ? first : { ...first, branches: noneAhead(first.branches) };
}

/** Runs one saga as a driver does, an answer at a time, and remembers what was called and how often it was written. */
export class Run {
  now = 0;
  readonly calls: string[] = [];
  readonly saves: string[] = [];
  readonly inFlight = new Set<string>();
  private saved: Transaction;

  /** @param aheadUntil until when it may be ahead of the log, which whoever began it knows; null: somebody else goes on */
  constructor(
    public tx: Transaction,
    private readonly aheadUntil: number | null = null,
  ) {
    this.saved = tx;
    this.step([]);
  }

  step(answers: Answer[], now = this.now): Step {
    this.now = now;
    for (const { branchId } of answers) this.inFlight.delete(branchId);
    const step = advance(this.tx, answers, {
      now,
      saved: this.saved,
      inFlight: this.inFlight,
      aheadUntil: this.aheadUntil,
      policyOf: () => policy,
    });
    this.tx = step.tx;
    if (step.save) {
      this.saves.push(step.save);
      this.saved = step.tx;
    }
    for (const { op, branchId } of step.calls) {
      this.calls.push(`${op} ${branchId}`);
      this.inFlight.add(branchId);
    }
    return step;
  }

  answer(branchId: string, op: Op, outcome: Outcome = done(), now = this.now): Step {
    return this.step([{ branchId, op, outcome }], now);
  }

  /** Answers whatever is called until nothing is. */
  finish(outcome: (call: string) => Outcome = () => done()): this {
    while (this.inFlight.size > 0) {
      const [branchId = ''] = this.inFlight;
      const call = this.calls.findLast((each) => each.endsWith(` ${branchId}`)) ?? '';
      this.answer(branchId, call.split(' ')[0] as Op, outcome(call), this.now + 2000);
    }
    return this;
  }
}

export const DIAMOND: Asked[] = [
  { branchId: 'a', after: [] },
  { branchId: 'b', after: ['a'] },
  { branchId: 'c', after: ['a'] },
  { branchId: 'd', after: ['b', 'c'] },
];
