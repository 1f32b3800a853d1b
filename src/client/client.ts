/** The coordinator's HTTP API for those who begin transactions; docs/wire.md has the contract. */
import { uuidv7 } from 'uuidv7';
import { LIMITS } from '../protocol/words.js';
import type { BranchView, ComponentView, InstanceView, TimelineView, TransactionView } from '../protocol/words.js';
import type {
  AwaitOptions,
  BeginRequest,
  BranchRequest,
  ComponentRequest,
  DecisionOptions,
  InstanceRequest,
  ListFilter,
  WaitOptions,
} from './requests.js';
import { runTcc } from './tcc.js';
import type { TccDone, TccRequest, TccScope } from './tcc.js';
import { pause, Transport } from './transport.js';
import type { CallOptions, ClientOptions } from './transport.js';

/** A recorded branch, and its `try` ready to be sent with POST. */
export interface RegisteredBranch extends BranchView {
  gid: string;
  call: { url: string; headers: Record<string, string>; body: string };
}

const DEFAULT_WAIT_MS = 30_000;
/** Before asking again, when a coordinator answered early without what was waited for. */
const EARLY_PAUSE_MS = 100;

/**
 * Talks to the coordinator. Every method repeats its request when no answer came, or one that allows it, and
 * rejects with TercetError (the coordinator said no) or TercetUnreachable (nobody knows).
 */
export class TercetClient {
  private readonly transport: Transport;
  private readonly ids: ClientOptions['ids'];

  constructor(options: ClientOptions = {}) {
    this.transport = new Transport(options);
    this.ids = options.ids;
  }

  /** Where the coordinator is. */
  get url(): string {
    return this.transport.url;
  }

  /** A new id, as a begin without gid gets one. @throws CodedError, if the generator of `ids` has none now */
  async newId(): Promise<string> {
    return this.ids ? this.ids.next() : uuidv7();
  }

  /**
   * Begins a transaction, a TCC unless `mode` says otherwise; beginning again with the same gid and content gives the
   * recorded one. Look at `decision` of the answer: a refusal is `abort`, with the reason; `null` means that it is not
   * decided yet (`wait`). A message that is begun waits for `submit` or `abort`; `Messages` does all of it.
   */
  async begin(request: BeginRequest, { signal }: CallOptions = {}): Promise<TransactionView> {
    const { mode = 'tcc', gid = await this.newId(), ...rest } = request;
    const isDrivenByCaller = 'drive' in request ? request.drive === 'initiator' : mode === 'message';
    const wait = request.wait ?? (isDrivenByCaller ? 'accepted' : 'decided');
    return this.post(gid, '/v1/transactions', { mode, gid, ...rest }, waitMsOf({ ...request, wait }), signal);
  }

  /** Records a branch of an open, initiator-driven transaction; then send `call`, or abort. */
  async register(gid: string, branch: BranchRequest, { signal }: CallOptions = {}): Promise<RegisteredBranch> {
    return this.post(gid, `${pathOf(gid)}/branches`, branch, 0, signal);
  }

  /**
   * Decides commit. Rejects with TERCET_TRANSACTION_DECIDED when it was aborted before, by its deadline for instance. An
   * operator (`by`, with a reason) may do it for a message of whose local transaction nobody says what became.
   */
  async submit(gid: string, options: DecisionOptions & WaitOptions & CallOptions = {}): Promise<TransactionView> {
    const { signal, ...rest } = options;
    return this.post(gid, `${pathOf(gid)}/submit`, rest, waitMsOf(rest), signal);
  }

  /** Decides abort while the transaction is open; `by: 'operator'` needs a reason. */
  async abort(gid: string, options: DecisionOptions & WaitOptions & CallOptions = {}): Promise<TransactionView> {
    const { signal, ...rest } = options;
    return this.post(gid, `${pathOf(gid)}/abort`, rest, waitMsOf(rest), signal);
  }

  async get(gid: string, { signal }: CallOptions = {}): Promise<TransactionView> {
    return this.read(gid, pathOf(gid), 0, signal);
  }

  /** Waits until the transaction is decided or settled, or parked, or the time is over, and gives it as it is then. */
  async wait(gid: string, options: AwaitOptions = {}): Promise<TransactionView> {
    const { until = 'settled', waitMs = DEFAULT_WAIT_MS, signal } = options;
    const end = performance.now() + waitMs;
    for (;;) {
      const chunkMs = Math.round(Math.min(LIMITS.waitMs, Math.max(0, end - performance.now())));
      const path = `${pathOf(gid)}?wait=${until}&waitMs=${chunkMs}`;
      const tx = await this.read<TransactionView>(gid, path, chunkMs, signal);
      const isReached = (until === 'settled' ? tx.endedAt : tx.decision) !== null;
      if (isReached || tx.parked !== null || performance.now() >= end) return tx;
      await pause(Math.min(EARLY_PAUSE_MS, Math.max(0, end - performance.now())), signal);
    }
  }

  /**
   * For operators, as the three that follow: lets a parked transaction go on, when what kept it is repaired. One that
   * is not parked stays as it is; one that has ended is TERCET_TRANSACTION_STATE. A message is checked again.
   *
   * @param reason stands in the timeline
   */
  async resume(gid: string, reason: string, { signal }: CallOptions = {}): Promise<TransactionView> {
    return this.post(gid, `${pathOf(gid)}/resume`, { reason }, 0, signal);
  }

  /** Calls now what waits for its next attempt; if it is parked, as `resume` too. */
  async retry(gid: string, reason: string, { signal }: CallOptions = {}): Promise<TransactionView> {
    return this.post(gid, `${pathOf(gid)}/retry`, { reason }, 0, signal);
  }

  /** Calls nobody any more until it is resumed. */
  async park(gid: string, reason: string, { signal }: CallOptions = {}): Promise<TransactionView> {
    return this.post(gid, `${pathOf(gid)}/park`, { reason }, 0, signal);
  }

  /** Takes a parked branch as done: nobody calls it any more, what became of it was settled by hand. */
  async force(gid: string, branchId: string, reason: string, options: CallOptions = {}): Promise<TransactionView> {
    const path = `${pathOf(gid)}/branches/${encodeURIComponent(branchId)}/force`;
    return this.post(gid, path, { reason }, 0, options.signal);
  }

  /** Every call, attempt, outcome and decision, oldest first. */
  async timeline(gid: string, { signal }: CallOptions = {}): Promise<TimelineView> {
    return this.read(gid, `${pathOf(gid)}/timeline`, 0, signal);
  }

  /** Newest first; `next` is the `after` of the next page, null at the end. */
  async list(
    filter: ListFilter = {},
    { signal }: CallOptions = {},
  ): Promise<{ transactions: TransactionView[]; next: string | null }> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(filter)) if (value !== undefined) query.set(name, String(value));
    return this.read(undefined, `/v1/transactions?${query.toString()}`, 0, signal);
  }

  /** Registers a component, or replaces it. */
  async putComponent(name: string, component: ComponentRequest, { signal }: CallOptions = {}): Promise<ComponentView> {
    const path = `/v1/components/${encodeURIComponent(name)}`;
    return this.transport.send({ method: 'PUT', path, body: component, ...(signal ? { signal } : {}) });
  }

  /** Where a component is registered. */
  async getComponent(name: string, { signal }: CallOptions = {}): Promise<ComponentView> {
    return this.read(undefined, `/v1/components/${encodeURIComponent(name)}`, 0, signal);
  }

  /**
   * Says that an instance of a component is alive; calls go to those in turn that said so lately. Repeat it three times
   * as often as `ttlMs`. Rejects with TERCET_COMPONENT_UNKNOWN while the component is not registered.
   */
  async putInstance(
    component: string,
    instance: string,
    request: InstanceRequest,
    { signal }: CallOptions = {},
  ): Promise<InstanceView> {
    const path = instancePathOf(component, instance);
    return this.transport.send({ method: 'PUT', path, body: request, ...(signal ? { signal } : {}) });
  }

  /** Takes an instance out, before it stops. Rejects with TERCET_INSTANCE_UNKNOWN when there is none of this name. */
  async deleteInstance(component: string, instance: string, { signal }: CallOptions = {}): Promise<void> {
    const path = instancePathOf(component, instance);
    return this.transport.send({ method: 'DELETE', path, ...(signal ? { signal } : {}) });
  }

  /**
   * A transaction that the caller drives: `work` calls `tx.try(...)` for each branch, in any order, and may use the
   * answer of one for the next. When it returns and every try is done, the transaction is submitted; when it throws
   * or a try failed, aborted.
   *
   * @throws what `work` or a try threw: Refused when a participant said no. TercetError TERCET_TRANSACTION_DECIDED when the
   * deadline came first. TercetUnreachable when it is not known whether the submit arrived: ask for the gid.
   */
  async tcc<T>(
    request: TccRequest,
    work: (tx: TccScope) => Promise<T>,
    { signal }: CallOptions = {},
  ): Promise<TccDone<T>> {
    return runTcc(this, request, work, signal);
  }

  private async post<T>(
    gid: string,
    path: string,
    body: unknown,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return this.transport.send({ method: 'POST', path, body, gid, waitMs, ...(signal ? { signal } : {}) });
  }

  private async read<T>(
    gid: string | undefined,
    path: string,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return this.transport.send({ method: 'GET', path, waitMs, ...(gid ? { gid } : {}), ...(signal ? { signal } : {}) });
  }
}

function pathOf(gid: string): string {
  return `/v1/transactions/${encodeURIComponent(gid)}`;
}

function instancePathOf(component: string, instance: string): string {
  return `/v1/components/${encodeURIComponent(component)}/instances/${encodeURIComponent(instance)}`;
}

function waitMsOf({ wait = 'decided', waitMs = DEFAULT_WAIT_MS }: WaitOptions): number {
  return wait === 'accepted' ? 0 : waitMs;
}
