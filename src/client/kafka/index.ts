/** @tercet/client/kafka: what needs a kafkajs instance, yours (README.md, "Consuming messages"). */
export type { ConsumerLogger, WaitingMessage } from './batches.js';
export type { GivingUp, RetryBudget } from './budget.js';
export { consume } from './consume.js';
export type { ConsumeOptions, ConsumerOptions, ConsumerStatus, Consumption } from './consume.js';
export { DEAD_LETTER } from './dead-letters.js';
export type { DatabaseOption } from '../database.js';
export type { Handler } from './handling.js';
export { inbox } from './inbox.js';
export type { PartitionLag } from './lag.js';
export type { ConsumerState, KafkaConsumerOptions } from './membership.js';
export type { Message } from './message.js';
export { INBOX_SCHEMA, installInbox, TercetInbox1763769600000 } from './schema.js';
export { startRelay } from './relay.js';
export type { OutboxRelayOptions } from './relay.js';
export { DeadLetters as OutboxDeadLetters } from '../../outbox/dead-letters.js';
export type { DeadLetter as OutboxDeadLetter } from '../../outbox/dead-letters.js';
export type { OutboxDepth, Relay, RelayStatus } from '../../outbox/relay.js';
