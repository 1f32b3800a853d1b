/** What the methods of TercetClient take; docs/wire.md has the contract. */
import type { CheckPolicy, Drive, Mode, Op, Recovery, RetryPolicy, Status, Wait } from '../protocol/words.js';
import type { CallOptions } from './transport.js';

export interface BranchRequest {
  /** Unique within the transaction. */
  branchId: string;
  /** Name of a registered component. */
  component: string;
  /** Any JSON; default null. */
  payload?: unknown;
}

export interface WaitOptions {
  /** What the answer waits for. */
  wait?: Wait;
  /** How long at most, in ms; default 30000, at most 60000. Then the answer says what is known. */
  waitMs?: number;
}

/** What transactions of every mode begin with. */
interface Beginning extends WaitOptions {
  /** Default: a new UUIDv7. Give your own (an order's number) to be able to begin again after a crash of yours. */
  gid?: string;
  /** To find it by: a customer's number, for instance. */
  businessKey?: string;
}

export interface TccBeginRequest extends Beginning {
  mode?: 'tcc';
  /** Decided by then or aborted, in ms from the begin; default 30000. */
  deadlineMs?: number;
  drive?: Drive;
  branches?: readonly BranchRequest[];
}

/** How a saga runs, whatever its branches are. */
export interface SagaOptions {
  /** Decided by then or aborted, in ms from the begin; default: it may take as long as it takes. */
  deadlineMs?: number;
  /** `backward` (default): what fails is undone. `forward`: it is repeated until it is done or parked, and never undone. */
  recovery?: Recovery;
  /** Branches that run at a time, from 1 to 1000; default 100. */
  parallel?: number;
}

/** How one branch of a saga runs, beside what it comes after. */
export interface SagaBranchOptions {
  /** Whether an abort undoes it; default true. With `false` its component needs no `compensate`. */
  compensate?: boolean;
  /** Its success is the decision `commit`: what comes after it is repeated until it is done, and nothing is undone. */
  pivot?: boolean;
  /** How long one call may take, in ms; default: that of the component. */
  timeoutMs?: number;
  /** How long after its start its action must be done, in ms; else the saga aborts, or parks. Default: no limit. */
  deadlineMs?: number;
  /** What differs for the action from the component's policy. */
  retry?: Partial<RetryPolicy>;
  /** What differs for the compensation from the component's policy. */
  compensateRetry?: Partial<RetryPolicy>;
}

export interface SagaBranchRequest extends BranchRequest, SagaBranchOptions {
  /** The branches that must be done before this one starts; in none of them: each after the one before it. */
  after?: readonly string[];
}

export interface SagaBeginRequest extends Beginning, SagaOptions {
  mode: 'saga';
  branches: readonly SagaBranchRequest[];
}

/** One that goes to Kafka. */
export interface TopicDelivery {
  /** Unique within the message, and not `check`. */
  branchId: string;
  topic: string;
  /** Messages of one key arrive in the order in which they were committed; default: none. */
  key?: string;
  /** `ce_type`, `ce_source`, `ce_subject` and `content-type` replace what would be there; others are added. */
  headers?: Readonly<Record<string, string>>;
  /** Any JSON; default null. */
  payload?: unknown;
}

/** What is delivered once the message is committed: to a topic, or to the operation `deliver` of a component. */
export type DeliveryRequest = TopicDelivery | BranchRequest;

/** What a message says of itself, whoever answers its check. */
export interface MessageOptions {
  deliveries: readonly DeliveryRequest[];
  /** Deliver not before, ISO 8601; default: once it is committed. */
  deliverAt?: string | Date;
}

export interface MessageBeginRequest extends Beginning, MessageOptions {
  mode: 'message';
  check: Partial<CheckPolicy> & {
    /** Name of the component that knows what became of the local transaction. */
    component: string;
    /** Any JSON; default null. */
    payload?: unknown;
  };
}

/** A TCC unless `mode` says otherwise. */
export type BeginRequest = TccBeginRequest | SagaBeginRequest | MessageBeginRequest;

export interface ComponentRequest {
  /** The operations are at `url/{op}`. */
  url?: string;
  /** URLs of single operations; they win over `url`. Without `url` the component lacks those that are not named. */
  endpoints?: Partial<Record<Op, string>>;
  timeoutMs?: number;
  concurrency?: number;
  retry?: Partial<RetryPolicy>;
  /** Of messages that say nothing else. */
  check?: Partial<CheckPolicy>;
  version?: string;
}

/** One heartbeat of one running instance. */
export interface InstanceRequest {
  /** The operations are at `url/{op}` of this instance. */
  url: string;
  /** How long the instance counts as alive after each heartbeat, in ms; default 15000, from 1000 to 3600000. */
  ttlMs?: number;
}

/** Of a submit or an abort. */
export interface DecisionOptions {
  reason?: string;
  /** Default `initiator`; an operator's decision is recorded with who it was, and needs a reason. */
  by?: 'initiator' | 'operator';
}

export interface ListFilter {
  status?: Status;
  mode?: Mode;
  component?: string;
  businessKey?: string;
  parked?: boolean;
  /** Only what has not ended, or only what has. */
  unfinished?: boolean;
  /** Bounds of beganAt, ISO 8601. */
  from?: string;
  to?: string;
  /** Default 50, at most 500. */
  limit?: number;
  /** `next` of an earlier page. */
  after?: string;
}

export interface AwaitOptions extends CallOptions {
  /** Default `settled`: the end is durable. */
  until?: 'decided' | 'settled';
  /** How long to wait in all, in ms; default 30000, and no limit. */
  waitMs?: number;
}
