/** The fence of the SDK with its table in memory: the same rows, the same verdicts, the same answers. */
import type { Outcome } from '../../domain/transaction.js';
import type { Json } from '../../protocol/words.js';
import { Refused } from '../errors.js';
import { Pending } from '../fence/fence.js';
import { replyOf, replyText } from '../fence/reply.js';
import { ORIGIN, verdictOn } from '../fence/verdict.js';
import type { Facts, Found, Verdict } from '../fence/verdict.js';
import type { GuardedOp } from '../operation.js';

export interface GuardedCall {
  readonly gid: string;
  readonly branchId: string;
  readonly op: GuardedOp;
}

export interface Guarded {
  readonly outcome: Outcome;
  /** Whether the work had its turn and took effect. */
  readonly ran: boolean;
}

/** Calls come one after the other: none is ever met half-way by another. */
export class MemoryFence {
  private readonly rows = new Map<string, Found>();

  async run(call: GuardedCall, work: (kept: Json) => unknown): Promise<Guarded> {
    const key = keyOf(call);
    const before = this.rows.get(key);
    const verdict = verdictOn(this.enter(key, call.op));
    if (verdict.kind !== 'run') return { outcome: outcomeOf(verdict), ran: false };
    try {
      return { outcome: this.leave(key, await work(replyOf(verdict.kept))), ran: true };
    } catch (error) {
      // What the call wrote is rolled back, its row too.
      if (before) this.rows.set(key, before);
      else this.rows.delete(key);
      if (error instanceof Refused) return { outcome: { kind: 'refused', reason: error.reason }, ran: false };
      return { outcome: { kind: 'unknown', detail: `500: ${messageOf(error)}` }, ran: false };
    }
  }

  /** Ends pending work, as `fence.complete` does. False: none is pending. */
  complete(call: GuardedCall, reply: unknown): boolean {
    const key = keyOf(call);
    const found = this.rows.get(key);
    if (found?.op !== call.op || found.state !== 'pending') return false;
    this.leave(key, reply);
    return true;
  }

  /** What the statements of the call do to the branch's row. */
  private enter(key: string, op: GuardedOp): Facts {
    const row = this.rows.get(key);
    const facts = { op, inserted: false, changed: false, isOld: false };
    const write = (found: Found): Found => {
      this.rows.set(key, found);
      return found;
    };
    const inserted = (): Facts => {
      const found = write({ op, state: 'done', reply: null, end_reply: null });
      return { ...facts, inserted: true, found };
    };
    switch (op) {
      case 'try':
      case 'action':
      case 'deliver':
        return row ? { ...facts, found: row } : inserted();
      case 'confirm':
        if (row?.op !== ORIGIN.confirm || row.state !== 'done') return { ...facts, found: row ?? null };
        return { ...facts, changed: true, found: write({ ...row, op }) };
      case 'cancel':
      case 'compensate':
        if (!row) return inserted();
        if (row.op !== ORIGIN[op]) return { ...facts, found: row };
        return {
          ...facts,
          changed: true,
          found: write({ ...row, op, state: row.state === 'refused' ? 'refused' : 'done' }),
        };
    }
  }

  /** Keeps what the work returned. */
  private leave(key: string, result: unknown): Outcome {
    const row = this.rows.get(key);
    if (!row) throw new Error(`no row of ${key}`);
    if (result instanceof Pending) {
      this.rows.set(key, { ...row, state: 'pending' });
      return { kind: 'pending', retryAfterMs: result.retryAfterMs };
    }
    const reply = replyText(result);
    const isFirst = row.op === 'try' || row.op === 'action' || row.op === 'deliver';
    this.rows.set(key, { ...row, state: 'done', ...(isFirst ? { reply } : { end_reply: reply }) });
    return { kind: 'done', reply };
  }
}

function outcomeOf(verdict: Exclude<Verdict, { kind: 'run' }>): Outcome {
  switch (verdict.kind) {
    case 'answer':
      return { kind: 'done', reply: verdict.reply };
    case 'pending':
      return { kind: 'pending', retryAfterMs: null };
    case 'refused':
      return { kind: 'refused', reason: verdict.reason };
    case 'try missing':
    case 'ended':
    case 'purged':
    case 'moved':
      return { kind: 'unknown', detail: `500: the fence says: ${verdict.kind}` };
  }
}

function keyOf({ gid, branchId }: GuardedCall): string {
  return `${gid}/${branchId}`;
}

/** An error in words, with its name. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
