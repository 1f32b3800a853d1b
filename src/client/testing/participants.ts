/** Calls to the user's functions, in process: behind a fence, with the faults that were planned, and written down. */
import type { Outcome } from '../../domain/transaction.js';
import type { CallRequest } from '../../engine/ports.js';
import type { VirtualProcess } from '../../engine/virtual-time.js';
import type { Json } from '../../protocol/words.js';
import { Refused } from '../errors.js';
import { Pending } from '../fence/fence.js';
import type { TestCall, TestComponents, TestOp } from './components.js';
import type { Faults } from './faults.js';
import { MemoryFence, messageOf } from './memory-fence.js';
import { changesBetween, snapshotOf } from './state.js';
import type { Change, Snapshot } from './state.js';
import type { World } from './world.js';

/** One call, and what came of it. */
export interface CallRecord {
  /** Virtual ms since the begin of the test. */
  readonly atMs: number;
  /** The coordinator that called. */
  readonly node: string;
  readonly gid: string;
  readonly branchId: string;
  readonly component: string;
  readonly op: TestOp;
  /** 1 for the first. */
  readonly attempt: number;
  readonly payload: Json;
  /** Whether your function had its turn and took effect: a repeated call is answered by the fence. */
  ran: boolean;
  /** What the coordinator heard; null: nothing, for it was killed. */
  outcome: 'done' | 'refused' | 'pending' | 'unknown' | null;
  /** The reason, the error, or the fault that was planned. */
  detail: string | null;
  /** What changed in `state` while your function was at work. */
  changes: readonly Change[];
}

/** On its way, so that the begin is answered before anybody is called. */
const TRAVEL_MS = 1;
const NOT_LEFT_MS = 100;

export class TestParticipants {
  readonly records: CallRecord[] = [];
  private readonly trouble: Error[] = [];
  readonly fence = new MemoryFence();
  private late: { gid: string; arrive: () => Promise<void> }[] = [];

  constructor(
    private readonly world: World,
    private readonly components: TestComponents,
    private readonly faults: Faults,
    private readonly state: (() => unknown) | undefined,
  ) {}

  /** The user's world now; null: nobody looks. */
  look(): Snapshot | null {
    return this.state ? snapshotOf(this.state()) : null;
  }

  get hasTrouble(): boolean {
    return this.trouble.length > 0;
  }

  /** @throws what went wrong in the test itself: in its `state`, for instance */
  checkTrouble(): void {
    const [first] = this.trouble;
    if (first) throw first;
  }

  /** A call of a node. It is never answered once the node is dead. */
  call(node: VirtualProcess, request: CallRequest): Promise<Outcome> {
    return new Promise((resolve) => {
      request.whenStopped(() => resolve({ kind: 'unknown', detail: 'the coordinator stopped waiting' }));
      node.deliver(TRAVEL_MS, () => {
        if (!request.mayLeave()) return resolve({ kind: 'postponed', retryAfterMs: NOT_LEFT_MS });
        const record = this.record(node, request);
        this.meet(node, request, record).then(
          (outcome) => {
            if (outcome === null) return;
            record.outcome = outcome.kind === 'postponed' ? null : outcome.kind;
            record.detail ??= detailOf(outcome);
            resolve(outcome);
          },
          (error: unknown) => this.fail(error),
        );
      });
    });
  }

  /** Something went wrong that is no outcome of a call. */
  fail(error: unknown): void {
    this.trouble.push(error as Error);
  }

  /** Lets the calls of a transaction arrive that were on their way for too long. */
  async deliverLate(gid: string): Promise<void> {
    const arriving = this.late.filter((call) => call.gid === gid);
    this.late = this.late.filter((call) => call.gid !== gid);
    for (const { arrive } of arriving) await arrive();
  }

  /** @returns null: nobody hears of it */
  private async meet(node: VirtualProcess, request: CallRequest, record: CallRecord): Promise<Outcome | null> {
    const fault = this.faults.next(record.component, record.op, record.branchId);
    switch (fault?.kind) {
      case undefined:
        return this.serve(request, record);
      case 'refused':
        return { kind: 'refused', reason: fault.reason };
      case 'failed':
        return { kind: 'unknown', detail: fault.detail };
      case 'timeout':
        if (fault.takesEffect === true) await this.serve(request, record);
        if (fault.takesEffect === 'late') {
          this.late.push({ gid: record.gid, arrive: () => this.arrive(node, request) });
        }
        return this.silence(node, request);
      case 'crash':
        if (fault.when === 'after') await this.serve(request, record);
        record.detail =
          fault.when === 'before' ? 'killed before it left' : 'answered, but killed before that was durable';
        node.kill();
        return null;
    }
  }

  /** As a call of its own in what is written down: it comes long after the one that was waited for. */
  private async arrive(node: VirtualProcess, request: CallRequest): Promise<void> {
    const record = this.record(node, request);
    record.detail = 'arrives late, and nobody listens';
    await this.serve(request, record).catch((error: unknown) => this.fail(error));
  }

  private silence(node: VirtualProcess, { branch, component }: CallRequest): Promise<Outcome> {
    const timeoutMs = branch.plan?.timeoutMs ?? component.timeoutMs;
    const outcome = { kind: 'unknown', detail: `no answer within ${timeoutMs} ms` } as const;
    return new Promise((resolve) => node.deliver(timeoutMs, () => resolve(outcome)));
  }

  /** What the service does with a call that reached it. */
  private serve(request: CallRequest, record: CallRecord): Promise<Outcome> {
    return this.world.during(this.run(request, record));
  }

  private async run({ tx, branch }: CallRequest, record: CallRecord): Promise<Outcome> {
    const { gid, branchId, component, op, attempt, payload } = record;
    const call: Omit<TestCall<unknown, unknown>, 'reply'> = {
      ...{ gid, branchId, component, op, attempt, mode: tx.mode },
      beganAt: new Date(tx.beganAt).toISOString(),
      payload: structuredClone(payload),
    };
    const known = branch.reply === null ? null : (JSON.parse(branch.reply) as Json);
    const work = (kept: Json): unknown => this.components[component]?.[op]?.({ ...call, reply: kept ?? known });
    const before = this.look();
    const { outcome, ran } =
      op === 'check'
        ? { outcome: await checked(() => work(null)), ran: false }
        : await this.fence.run({ gid, branchId, op }, work);
    const after = this.look();
    record.ran = ran;
    if (before && after) record.changes = changesBetween(before, after);
    return outcome;
  }

  private record(node: VirtualProcess, { tx, branch, op, attempt }: CallRequest): CallRecord {
    const record: CallRecord = {
      atMs: this.world.elapsedMs,
      node: node.name,
      gid: tx.gid,
      branchId: branch.branchId,
      component: branch.component,
      op,
      attempt,
      payload: JSON.parse(branch.payload) as Json,
      ran: false,
      outcome: null,
      detail: null,
      changes: [],
    };
    this.records.push(record);
    return record;
  }
}

/** What a check answers: it is asked again each time, and has no effect of its own. */
async function checked(check: () => unknown): Promise<Outcome> {
  try {
    const said = await check();
    return said instanceof Pending
      ? { kind: 'pending', retryAfterMs: said.retryAfterMs }
      : { kind: 'done', reply: null };
  } catch (error) {
    if (error instanceof Refused) return { kind: 'refused', reason: error.reason };
    return { kind: 'unknown', detail: `500: ${messageOf(error)}` };
  }
}

function detailOf(outcome: Outcome): string | null {
  if (outcome.kind === 'refused') return outcome.reason;
  return outcome.kind === 'unknown' ? outcome.detail : null;
}
