/** The life of a member of a consumer group: it joins, and does so again whenever kafkajs gives up, until it is stopped. */
import type { Consumer, ConsumerConfig, EachBatchPayload, Kafka } from 'kafkajs';
import { setTimeout as pause } from 'node:timers/promises';
import { described } from '../errors.js';
import type { ConsumerLogger } from './batches.js';

/** `starting`: it never joined. `restarting`: it did, and lost the broker. */
export type ConsumerState = 'starting' | 'running' | 'restarting' | 'stopped';

/** What kafkajs is told beside what this package decides. */
export type KafkaConsumerOptions = Omit<ConsumerConfig, 'groupId' | 'retry' | 'allowAutoTopicCreation'>;

interface Rules {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly topics: string[];
  readonly fromBeginning: boolean;
  readonly concurrency: number;
  readonly consumer: KafkaConsumerOptions;
  readonly logger: ConsumerLogger;
  readonly onStart: () => Promise<void>;
  readonly onBatch: (payload: EachBatchPayload) => Promise<void>;
  readonly onJoin: (assigned: Readonly<Record<string, number[]>>) => void;
}

const COMMIT_MS = 1000;
/** A partition that was paused is asked for again after so long; a new message is not waited for, it comes at once. */
const FETCH_MS = 500;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

export class Membership {
  state: ConsumerState = 'starting';
  /** Why it is not running; null: it is. */
  problem: string | null = null;
  private readonly over = new AbortController();
  /** One listener, however often it joins. */
  private readonly stopped = new Promise<void>((resolve) => {
    this.over.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  private readonly ended: Promise<void>;
  private failures = 0;

  constructor(private readonly rules: Rules) {
    this.ended = this.keepJoined();
  }

  /** Ends when the handlers under way have ended, and their offsets are committed. Never rejects. */
  async stop(): Promise<void> {
    this.over.abort();
    await this.ended;
  }

  private async keepJoined(): Promise<void> {
    const { signal } = this.over;
    while (!signal.aborted) {
      const consumer = this.newConsumer();
      await this.runUntilCrash(consumer).catch((error: unknown) => this.lost(error));
      await consumer.disconnect().catch(() => undefined);
      if (signal.aborted) break;
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.failures, 10));
      this.failures += 1;
      await pause(pauseMs, undefined, { signal }).catch(() => undefined);
    }
    this.state = 'stopped';
  }

  private newConsumer(): Consumer {
    const { kafka, groupId, consumer } = this.rules;
    // What kafkajs does not restart is started anew here, so what it does restart is too: one way.
    const retry = { retries: 5, restartOnFailure: () => Promise.resolve(false) };
    return kafka.consumer({ maxWaitTimeInMs: FETCH_MS, ...consumer, groupId, allowAutoTopicCreation: false, retry });
  }

  /** Resolves when it is to stop; rejects when the consumer has ended by itself. */
  private async runUntilCrash(consumer: Consumer): Promise<void> {
    const { stopped } = this;
    const crashed = new Promise<never>((_resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload: { error } }) => reject(error));
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload: { memberAssignment } }) => {
      this.failures = 0;
      this.state = 'running';
      this.problem = null;
      this.rules.onJoin(memberAssignment);
    });
    await Promise.race([this.start(consumer).then(() => stopped), crashed, stopped]);
  }

  private async start(consumer: Consumer): Promise<void> {
    const { topics, fromBeginning, concurrency, onStart, onBatch } = this.rules;
    await consumer.connect();
    await onStart();
    await consumer.subscribe({ topics, fromBeginning });
    await consumer.run({
      eachBatch: onBatch,
      eachBatchAutoResolve: false,
      autoCommitInterval: COMMIT_MS,
      partitionsConsumedConcurrently: concurrency,
    });
  }

  private lost(error: unknown): void {
    this.problem = described(error);
    this.state = this.state === 'starting' ? 'starting' : 'restarting';
    this.rules.logger.error(`consumer group '${this.rules.groupId}': ${this.problem}; it is joined again`);
  }
}
