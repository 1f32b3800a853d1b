/** What a call means in the light of the fence's table: the decision table of docs/fence.md. */
/** The operation that each of the others ends; the fence guards these. */
export const ORIGIN = { confirm: 'try', cancel: 'try', compensate: 'action' } as const;
export type EndOp = keyof typeof ORIGIN;
export type FirstOp = (typeof ORIGIN)[EndOp];
/**
 * What the row of a message says, whose branch is `check`: `local`, its local transaction committed; `check`, the check
 * came first.
 */
export type MessageOp = 'local' | 'check';
export type FencedOp = FirstOp | EndOp | 'deliver' | MessageOp;

/** The branch's row after the statement of the call. */
export interface Found {
  readonly op: FencedOp;
  readonly state: 'done' | 'pending' | 'refused';
  /** JSON texts. */
  readonly reply: string | null;
  readonly end_reply: string | null;
}

export interface Facts {
  readonly op: FencedOp;
  /** The call's statement inserted the row: nothing of the branch was here before. */
  readonly inserted: boolean;
  /** The call's statement changed the row from its origin to this operation. */
  readonly changed: boolean;
  readonly found: Found | null;
  /** The transaction began before the horizon: what was here may have been purged. */
  readonly isOld: boolean;
}

export type Verdict =
  /** The work has its turn; `kept`, a JSON text: what the try or action answered that it ends. */
  | { readonly kind: 'run'; readonly kept: string | null }
  /** Nothing to do; `reply`, a JSON text, is the answer. */
  | { readonly kind: 'answer'; readonly reply: string | null }
  | { readonly kind: 'pending' }
  | { readonly kind: 'refused'; readonly reason: string }
  /** `moved`: another call or a purge came between the statements; the next attempt sees what it left. */
  | { readonly kind: 'purged' | 'try missing' | 'ended' | 'moved' };

export function verdictOn(facts: Facts): Verdict {
  switch (facts.op) {
    case 'try':
    case 'action':
      return onFirst(facts);
    case 'confirm':
      return onConfirm(facts);
    case 'cancel':
    case 'compensate':
      return onCancel(facts);
    case 'deliver':
      return onDeliver(facts);
    case 'local':
      return onLocal(facts);
    case 'check':
      return onCheck(facts);
  }
}

function onFirst({ op, inserted, found, isOld }: Facts): Verdict {
  if (isOld && (inserted || !found)) return { kind: 'refused', reason: 'the transaction is too old to begin work for' };
  if (inserted) return { kind: 'run', kept: null };
  if (!found) return { kind: 'moved' };
  if (found.op === 'cancel' || found.op === 'compensate') {
    const undone = op === 'try' ? 'cancelled' : 'compensated';
    return { kind: 'refused', reason: `the branch was ${undone} before this ${op} came` };
  }
  if (found.op !== op) return { kind: 'answer', reply: found.reply };
  if (found.state === 'pending') return { kind: 'pending' };
  if (found.state === 'refused') return { kind: 'refused', reason: JSON.parse(found.reply ?? '""') as string };
  return { kind: 'answer', reply: found.reply };
}

function onConfirm({ op, changed, found, isOld }: Facts): Verdict {
  if (changed) return { kind: 'run', kept: found?.reply ?? null };
  if (!found) return { kind: isOld ? 'purged' : 'try missing' };
  if (found.op === op) return repeated(found);
  if (found.op !== ORIGIN.confirm) return { kind: 'ended' };
  switch (found.state) {
    case 'pending':
      return { kind: 'pending' };
    case 'refused':
      return { kind: 'try missing' };
    case 'done':
      return { kind: 'moved' };
  }
}

function onCancel({ op, inserted, changed, found, isOld }: Facts): Verdict {
  if (isOld && (inserted || !found)) return { kind: 'purged' };
  if (inserted) return { kind: 'answer', reply: null };
  if (!found) return { kind: 'moved' };
  if (changed) return found.state === 'refused' ? { kind: 'answer', reply: null } : { kind: 'run', kept: found.reply };
  return found.op === op ? repeated(found) : { kind: 'ended' };
}

/** A message that was delivered long ago: nobody can say no to it any more, so a person looks. */
function onDeliver({ inserted, found, isOld }: Facts): Verdict {
  if (isOld && (inserted || !found)) return { kind: 'purged' };
  if (inserted) return { kind: 'run', kept: null };
  if (!found) return { kind: 'moved' };
  return found.state === 'pending' ? { kind: 'pending' } : { kind: 'answer', reply: found.reply };
}

function onLocal({ inserted, found, isOld }: Facts): Verdict {
  if (isOld && (inserted || !found)) return { kind: 'refused', reason: 'the message is too old to begin work for' };
  if (inserted) return { kind: 'run', kept: null };
  if (!found) return { kind: 'moved' };
  if (found.op === 'check')
    return { kind: 'refused', reason: 'the message was rolled back by a check before this came' };
  return { kind: 'answer', reply: null };
}

/** What it inserts stays: a local transaction that comes later fails on it. */
function onCheck({ inserted, found, isOld }: Facts): Verdict {
  if (isOld && (inserted || !found)) return { kind: 'purged' };
  if (inserted || found?.op === 'check') return { kind: 'refused', reason: 'the local transaction did not commit' };
  return found ? { kind: 'answer', reply: null } : { kind: 'moved' };
}

function repeated(found: Found): Verdict {
  return found.state === 'pending' ? { kind: 'pending' } : { kind: 'answer', reply: found.end_reply };
}
