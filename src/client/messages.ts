/** Messages of a service that has a database of its own: they go out if and only if its local transaction commits (G9). */
import type { CheckPolicy, TransactionView } from '../protocol/words.js';
import type { TercetClient } from './client.js';
import { databaseOf } from './database.js';
import type { Database, DatabaseOption, Isolation } from './database.js';
import { reasonOf, TercetError } from './errors.js';
import type { Executor } from '../platform/executor.js';
import { linked } from '../platform/linked.js';
import { fence } from './fence/fence.js';
import type { CheckAnswer, MessageBegan } from './fence/fence.js';
import { PROBE } from './fence/statements.js';
import type { MessageOptions, WaitOptions } from './requests.js';
import { pause } from './transport.js';
import type { CallOptions } from './transport.js';

export type MessagesOptions<Manager extends Executor> = DatabaseOption<Manager> & {
  /** Name of the component that answers the checks, from this same database: registered, with the operation `check`. */
  component: string;
};

export interface MessageRequest extends MessageOptions, WaitOptions {
  /** Default: a new one, as the client makes them. With one of your own, the work is done once, however often it is sent again. */
  gid?: string;
  /** To find it by: a customer's number, for instance. */
  businessKey?: string;
  /** What differs from the check of the component. */
  check?: Partial<CheckPolicy>;
}

export interface MessageCallOptions extends CallOptions {
  /** Of the local transaction; default READ COMMITTED. */
  isolation?: Isolation;
  /** How long to wait for the submit to be acknowledged once the local transaction has committed, in ms; default 5000. */
  submitMs?: number;
}

/** The local transaction has committed. */
export type MessageDone<T> = {
  /** As the coordinator last showed it. */
  transaction: TransactionView;
  /** Whether the coordinator has acknowledged it. If not, it asks back and goes on: there is nothing to do. */
  submitted: boolean;
  /** What came of the submit instead; null: it was acknowledged. */
  submitError: unknown;
} & (
  | { repeated: false; /** What the work returned. */ result: T }
  /** It had committed before, under this same gid: the work did not run again. */
  | { repeated: true; result: undefined }
);

const SUBMIT_MS = 5000;
const DEFAULT_WAIT_MS = 30_000;
/** An abort spares the coordinator a check, no more. */
const ABORT_MS = 2000;
/** How long the database is asked what became of a COMMIT whose answer was lost. */
const SETTLE_MS = 5000;
const SETTLE_PAUSE_MS = 250;
/** A COMMIT that the server still works on is waited for, half as long as this. */
const SETTLE_TIMEOUT_MS = 2000;

export class Messages<Manager extends Executor = Executor> {
  constructor(
    private readonly client: Pick<TercetClient, 'begin' | 'submit' | 'abort'>,
    private readonly options: MessagesOptions<Manager>,
  ) {}

  /**
   * Begins the message, runs `work` in one local transaction, and submits. When `work` throws, its transaction and the
   * message are rolled back, and what it threw is thrown. Where this process ends or is cut off at any point, the
   * coordinator's check finds out what became of the local transaction.
   *
   * @returns once the local transaction has committed; `submitted: false` where the coordinator has not answered
   * @throws what `work` or the COMMIT threw: nothing is done. TercetError of the begin, or TercetUnreachable: nothing is done.
   * TERCET_MESSAGE_ROLLED_BACK: a check or an abort came first, nothing is done. TERCET_MESSAGE_UNKNOWN: the database
   * went away during the COMMIT. TERCET_MESSAGE_ABORTED: the work is done, and somebody else aborted the message
   */
  async inTransaction<T>(
    message: MessageRequest,
    work: (manager: Manager) => Promise<T>,
    { isolation, submitMs = SUBMIT_MS, signal }: MessageCallOptions = {},
  ): Promise<MessageDone<T>> {
    const { check, wait, waitMs, ...content } = message;
    const database = databaseOf(this.options);
    const { component } = this.options;
    const begun = await this.client.begin(
      { ...content, mode: 'message', check: { ...check, component } },
      signal ? { signal } : {},
    );
    if (begun.decision === 'abort') throw rolledBack(begun);
    const local = await this.runLocal(database, begun, work, isolation);
    const waiting = { ...(wait === undefined ? {} : { wait }), ...(waitMs === undefined ? {} : { waitMs }) };
    const ms = submitMs + (wait === 'settled' ? (waitMs ?? DEFAULT_WAIT_MS) : 0);
    return { ...local, ...(await this.submit(begun, waiting, ms, signal)) };
  }

  /**
   * Answers a check, in a transaction of its own: 2xx for `committed`, 409 with the reason for `rolled back`.
   *
   * @throws TercetError: answer its status
   */
  async check(call: MessageBegan): Promise<CheckAnswer> {
    return databaseOf(this.options).transaction((manager) => fence.check(manager, call));
  }

  private async runLocal<T>(
    database: Database<Manager>,
    begun: TransactionView,
    work: (manager: Manager) => Promise<T>,
    isolation: Isolation | undefined,
  ): Promise<{ repeated: false; result: T } | { repeated: true; result: undefined }> {
    let done: { repeated: false; result: T } | { repeated: true; result: undefined } | undefined;
    try {
      return await database.transaction(async (manager) => {
        const isFirst = await fence.local(manager, begun);
        const local = isFirst
          ? ({ repeated: false, result: await work(manager) } as const)
          : ({ repeated: true, result: undefined } as const);
        await manager.query(PROBE);
        done = local;
        return local;
      }, isolation);
    } catch (error) {
      // The COMMIT was on its way, and may have arrived: only the fence knows.
      const answer = await this.settle(begun, done === undefined ? 0 : SETTLE_MS);
      if (done !== undefined && answer?.kind === 'committed') return done;
      if (done !== undefined && answer === null) throw unknown(begun, error);
      // Not unless it is certain that no transaction of this gid commits, not even one of another process.
      if (answer?.kind === 'rolled back') await this.abort(begun, error);
      throw error;
    }
  }

  /** What became of the local transaction, for ever; null: the database did not say in time. */
  private async settle({ gid, beganAt }: TransactionView, ms: number): Promise<CheckAnswer | null> {
    const end = performance.now() + ms;
    for (;;) {
      const answer = await this.check({ gid, beganAt, timeoutMs: SETTLE_TIMEOUT_MS }).catch(() => null);
      if (answer !== null || performance.now() >= end) return answer;
      await pause(SETTLE_PAUSE_MS, undefined);
    }
  }

  private async submit(
    begun: TransactionView,
    waiting: WaitOptions,
    ms: number,
    signal: AbortSignal | undefined,
  ): Promise<Pick<MessageDone<unknown>, 'transaction' | 'submitted' | 'submitError'>> {
    const bound = linked(signal, ms);
    try {
      const transaction = await this.client.submit(begun.gid, { ...waiting, signal: bound.signal });
      return { transaction, submitted: true, submitError: null };
    } catch (error) {
      if (error instanceof TercetError && error.code === 'TERCET_TRANSACTION_DECIDED') throw aborted(begun, error);
      return { transaction: begun, submitted: false, submitError: error };
    } finally {
      bound.end();
    }
  }

  private async abort({ gid }: TransactionView, error: unknown): Promise<void> {
    const signal = AbortSignal.timeout(ABORT_MS);
    await this.client.abort(gid, { reason: reasonOf(error), signal }).catch(() => undefined);
  }
}

function rolledBack({ gid, reason }: TransactionView): TercetError {
  const why = reason
    ? `${reason.kind}${reason.detail === undefined ? '' : `: ${reason.detail}`}`
    : 'its reason is not known';
  const detail = `message '${gid}' was rolled back before (${why}); no work was done for it now, send it again under another gid`;
  return TercetError.of('TERCET_MESSAGE_ROLLED_BACK', detail);
}

function unknown({ gid }: TransactionView, cause: unknown): TercetError {
  const detail = `the connection broke while the local transaction of message '${gid}' committed, and the database cannot be asked`;
  const next =
    'the coordinator asks later and delivers if it did; ask it for the gid, and do not repeat the work before';
  return TercetError.of('TERCET_MESSAGE_UNKNOWN', `${detail}; ${next}`, { cause });
}

function aborted({ gid }: TransactionView, cause: TercetError): TercetError {
  const detail = `the local transaction of message '${gid}' has committed, but somebody aborted the message (${cause.detail})`;
  return TercetError.of('TERCET_MESSAGE_ABORTED', `${detail}; do not repeat the work, a person must look`, { cause });
}
