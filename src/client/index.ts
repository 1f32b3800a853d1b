/** @tercet/client: begin transactions, and guard what a participant does (README.md, docs/fence.md). */
export { TercetClient } from './client.js';
export type { RegisteredBranch } from './client.js';
export { Refused, TercetError, TercetUnreachable } from './errors.js';
export type { OwnCode } from './errors.js';
export type { Executor } from '../platform/executor.js';
export { fence, Pending } from './fence/fence.js';
export type { CheckAnswer, FenceAnswer, FencedCall, MessageBegan, PendingCall } from './fence/fence.js';
export { FENCE_SCHEMA, installFence, TercetFence1763683200000 } from './fence/schema.js';
export { Messages } from './messages.js';
export type { MessageCallOptions, MessageDone, MessageRequest, MessagesOptions } from './messages.js';
export type { DatabaseOption, DataSourceLike, Isolation, PoolLike } from './database.js';
export { outbox } from './outbox.js';
export type { Outbox, OutboxOptions } from './outbox.js';
export type { IdFacts, IdKind, Ids } from '../ids/id.js';
export { decode } from '../ids/decode.js';
export type { Decoded } from '../ids/decode.js';
export { IDS_SCHEMA, installIds, TercetIds1763683200004 } from '../ids/schema.js';
export { segment } from '../ids/segment.js';
export type { SegmentOptions } from '../ids/segment.js';
export { sequence } from '../ids/sequence.js';
export type { SequenceOptions } from '../ids/sequence.js';
export { snowflake } from '../ids/snowflake.js';
export type { SnowflakeOptions } from '../ids/snowflake.js';
export { uuidv7 } from '../ids/uuid.js';
export { CodedError } from '../platform/coded-error.js';
export type { LeafCode } from '../platform/coded-error.js';
export { installOutbox, OUTBOX_SCHEMA, TercetOutbox1763683200001 } from '../outbox/schema.js';
export type { NewMessage } from '../outbox/append.js';
export type {
  AwaitOptions,
  BeginRequest,
  BranchRequest,
  ComponentRequest,
  DecisionOptions,
  DeliveryRequest,
  InstanceRequest,
  ListFilter,
  MessageBeginRequest,
  MessageOptions,
  SagaBeginRequest,
  SagaBranchOptions,
  SagaBranchRequest,
  SagaOptions,
  TccBeginRequest,
  TopicDelivery,
  WaitOptions,
} from './requests.js';
export type { OrReference, Reference } from './saga/reference.js';
export { fenced } from '../locks/fenced.js';
export { guard } from '../locks/guard.js';
export type { Held } from '../locks/held.js';
export type { Attempt, FencingToken, HeldLock, LockClass, LockStore, TokenOf, Wish } from '../locks/lock.js';
export type { LockDatabase, LockPool } from '../locks/lock-database.js';
export { Locks } from '../locks/locks.js';
export type { LockObserver, LockOptions, LocksOptions, Outcome as LockOutcome } from '../locks/locks.js';
export { PostgresLocks } from '../locks/postgres.js';
export { installLocks, LOCK_SCHEMA as LOCKS_SCHEMA, TercetLocks1763769600001 } from '../locks/schema.js';
export { NOTHING_HERE, SegmentedLock } from '../locks/segments.js';
export type { HeldSegment, SegmentedOptions } from '../locks/segments.js';
export { saga } from './saga/saga.js';
export type { Saga, SagaReplies, SagaRun, SagaRunOptions } from './saga/saga.js';
export { sagaComponent } from './saga/step.js';
export type { StepContext, StepOptions, TypedComponent } from './saga/step.js';
export { verifyCall } from './signature.js';
export type { CallHeaders, ReceivedCall } from './signature.js';
export type { TccDone, TccRequest, TccScope } from './tcc.js';
export type { CallOptions, ClientOptions, RetryOptions } from './transport.js';
export { SigningSecrets } from '../protocol/signature.js';
export type { Signed } from '../protocol/signature.js';
export { HEADERS, IDENTIFIER } from '../protocol/words.js';
export type {
  BranchState,
  BranchView,
  CallsView,
  CheckPolicy,
  ComponentView,
  Decision,
  EventView,
  InstanceView,
  Json,
  Mode,
  Op,
  ParticipantCall,
  Problem,
  Reason,
  Recovery,
  RetryPolicy,
  Status,
  TimelineView,
  TransactionView,
  Wait,
} from '../protocol/words.js';
