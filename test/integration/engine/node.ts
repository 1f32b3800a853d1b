/** A coordinator in this process over a real log; the services are functions of the test. */
import type { Outcome } from '../../../src/domain/transaction.js';
import { CHECK_BRANCH, DEFAULT_CHECK, DEFAULT_RETRY, OPS } from '../../../src/protocol/words.js';
import type { BeginRequest } from '../../../src/engine/begin.js';
import { Coordinator } from '../../../src/engine/coordinator.js';
import type {
  CallRequest,
  Clock,
  Component,
  ComponentDirectory,
  Observer,
  Participants,
  Steering,
} from '../../../src/engine/ports.js';
import type { Waiting } from '../../../src/engine/waiting.js';
import type { CheckPolicy, Op, RetryPolicy } from '../../../src/protocol/words.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { SystemClock } from '../../../src/system-clock.js';

const logger = { info() {}, warn() {}, error() {} };

export const DONE: Outcome = { kind: 'done', reply: null };
export const UNKNOWN: Outcome = { kind: 'unknown', detail: 'no answer' };
export const SETTLED: Waiting = { until: 'settled', ms: 60_000 };
export const ACCEPTED: Waiting = { until: 'accepted', ms: 0 };

export interface Asked {
  readonly node: string;
  readonly gid: string;
  readonly branchId: string;
  readonly op: Op;
  readonly attempt: number;
}

/** All the services, for every node: they answer as the test says, and remember what they were asked. */
export class Services {
  readonly asked: Asked[] = [];

  /** @param answer of all of them, from now on */
  constructor(public answer: (asked: Asked) => Outcome | Promise<Outcome> = () => DONE) {}

  /** The operations that a branch was asked for, in order. */
  opsOf(gid: string, branchId: string): Op[] {
    return this.asked.filter((asked) => asked.gid === gid && asked.branchId === branchId).map(({ op }) => op);
  }

  asSeenBy(node: string): Participants {
    return {
      call: async (call: CallRequest): Promise<Outcome> => {
        const { tx, branch, op, attempt } = call;
        if (!call.mayLeave()) return { kind: 'postponed', retryAfterMs: 20 };
        const asked = { node, gid: tx.gid, branchId: branch.branchId, op, attempt };
        this.asked.push(asked);
        return this.answer(asked);
      },
      prepare: () => ({ url: 'http://service.test/', headers: {}, body: '' }),
    };
  }
}

export interface NodeOptions {
  readonly url: string;
  readonly services: Services;
  readonly node?: string;
  readonly leaseMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  /** The real one unless given. */
  readonly clock?: Clock;
  /** The services themselves unless given. */
  readonly participants?: Participants;
  readonly observers?: readonly Observer[];
  /** Nothing changes unless given. */
  readonly steering?: Steering;
}

export class EngineNode {
  private constructor(
    readonly coordinator: Coordinator,
    readonly log: PostgresLog,
  ) {}

  /** With a lease so long that nothing is written but for transactions, unless told otherwise. */
  static async start({ url, services, node = 'north', leaseMs = 600_000, ...over }: NodeOptions): Promise<EngineNode> {
    const log = new PostgresLog({ url, leaseMs }, logger);
    const clock = over.clock ?? new SystemClock(() => log.clockOffsetMs);
    const components = everyComponent({ ...DEFAULT_RETRY, baseMs: 5, capMs: 50, ...over.retry });
    const participants = over.participants ?? services.asSeenBy(node);
    const parts = { log, components, participants, clock, logger, node, leaseMs, isKafkaOn: true };
    const steering = over.steering ? { steering: over.steering } : {};
    const coordinator = new Coordinator({ ...parts, observers: over.observers ?? [], ...steering });
    await coordinator.start();
    return new EngineNode(coordinator, log);
  }

  async stop(): Promise<void> {
    await this.coordinator.drain(0);
    await this.log.close();
  }
}

export function request(gid: string, branches: number, over: Partial<BeginRequest> = {}): BeginRequest {
  return {
    gid,
    contentHash: 'x',
    mode: 'tcc',
    drive: 'coordinator',
    businessKey: null,
    deadlineMs: 60_000,
    branches: Array.from({ length: branches }, (_, index) => newBranch(`b${index}`)),
    ...over,
  };
}

/** Branches in order unless `after` says otherwise, by position. */
export function sagaRequest(gid: string, branches: number, after?: readonly (readonly number[])[]): BeginRequest {
  const asked = request(gid, branches, { mode: 'saga', deadlineMs: null });
  const graph = asked.branches.map((branch, index) => ({
    ...branch,
    ...(after ? { after: (after[index] ?? []).map((position) => `b${position}`) } : {}),
  }));
  return { ...asked, saga: { recovery: 'backward', parallel: 100 }, branches: graph };
}

/** A half message for so many topics, each under the key `k`; its producer is asked after an hour unless told otherwise. */
export function messageRequest(gid: string, topics: number, check: Partial<CheckPolicy> = {}): BeginRequest {
  const deliveries = Array.from({ length: topics }, (_, index) => ({
    ...newBranch(`b${index}`),
    component: '',
    topic: { topic: 'paid', key: 'k', headers: {} },
  }));
  const asked = request(gid, 0, { mode: 'message', drive: 'initiator', deadlineMs: null });
  const message = { check: { afterMs: 3_600_000, ...check }, deliverAt: null };
  return { ...asked, message, branches: [newBranch(CHECK_BRANCH), ...deliveries] };
}

export function newBranch(branchId: string) {
  return { branchId, component: 'service', payload: 'null' };
}

/** Repeats until it is so. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

function everyComponent(retry: RetryPolicy): ComponentDirectory {
  const targets = Object.fromEntries(OPS.map((op) => [op, 'http://service.test/']));
  const component: Component = {
    name: 'service',
    timeoutMs: 3000,
    concurrency: 256,
    callsPerSecond: null,
    retry,
    check: DEFAULT_CHECK,
    targets,
    instances: () => [],
  };
  return { get: () => component, find: async () => component };
}
