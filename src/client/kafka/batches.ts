/** Takes the messages of a partition one after the other; kafkajs calls it for several partitions side by side. */
import type { EachBatchPayload, KafkaMessage } from 'kafkajs';
import { described } from '../errors.js';
import type { Budget } from './budget.js';
import type { Handled } from './handling.js';
import { envelopeOf } from './message.js';
import type { Envelope } from './message.js';

/** A message that failed, and the partition behind it. */
export interface WaitingMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: string | null;
  readonly failures: number;
  readonly error: string;
  readonly dueAt: Date;
}

export interface ConsumerLogger {
  warn(message: string): void;
  error(message: string): void;
}

interface Wait extends WaitingMessage {
  readonly timer: NodeJS.Timeout;
  readonly resume: () => void;
}

/** How long one partition is worked on while the others wait for the next fetch, beyond its message under way. */
const SLICE_MS = 500;
const PULSE_MS = 1000;

interface Rules {
  readonly handle: (envelope: Envelope, raw: KafkaMessage, failures: number) => Promise<Handled>;
  readonly budget: Budget;
  readonly logger: ConsumerLogger;
}

export class Batches {
  private readonly waits = new Map<string, Wait>();
  /** When the last message that was handled here happened, by place. */
  private readonly handledAt = new Map<string, Date>();

  constructor(private readonly rules: Rules) {}

  get waiting(): WaitingMessage[] {
    return [...this.waits.values()].map(({ timer: _, resume: _resume, ...waiting }) => waiting);
  }

  /** Null: none was handled here. */
  lastOf(topic: string, partition: number): Date | null {
    return this.handledAt.get(placeOf(topic, partition)) ?? null;
  }

  /** What is left is somebody else's. */
  keepOnly(assigned: Readonly<Record<string, number[]>>): void {
    const places = new Set(
      Object.entries(assigned).flatMap(([topic, partitions]) =>
        partitions.map((partition) => placeOf(topic, partition)),
      ),
    );
    for (const [place, { timer, resume }] of this.waits) {
      if (places.has(place)) continue;
      clearTimeout(timer);
      // kafkajs would still have it paused when it comes back.
      resume();
      this.waits.delete(place);
    }
    for (const place of this.handledAt.keys()) if (!places.has(place)) this.handledAt.delete(place);
  }

  /** For kafkajs. What it throws makes kafkajs join the group again. */
  async take(payload: EachBatchPayload): Promise<void> {
    const pulse = new Pulse(() => payload.heartbeat());
    const until = performance.now() + SLICE_MS;
    try {
      for (const message of payload.batch.messages) {
        if (!payload.isRunning() || payload.isStale() || pulse.error !== null || performance.now() > until) break;
        if (!(await this.takeOne(payload, message))) break;
        payload.resolveOffset(message.offset);
        await payload.commitOffsetsIfNecessary();
      }
    } finally {
      pulse.stop();
    }
    if (pulse.error !== null) throw pulse.error;
  }

  /** @returns whether the message is done with; if not, its partition is paused */
  private async takeOne(payload: EachBatchPayload, message: KafkaMessage): Promise<boolean> {
    const { topic, partition } = payload.batch;
    const place = placeOf(topic, partition);
    const found = this.waits.get(place);
    const before = found?.offset === message.offset ? found : undefined;
    // A consumer that started anew knows of no pause.
    if (before && before.dueAt.getTime() > Date.now()) {
      this.wait(payload, before);
      return false;
    }
    const envelope = envelopeOf(topic, partition, message);
    const handled = await this.rules.handle(envelope, message, before?.failures ?? 0);
    const { logger, budget } = this.rules;
    const name = `message '${envelope.id}' at ${place}/${message.offset}`;
    if (handled.kind === 'waits') {
      const { failures, error } = handled;
      const pauseMs = budget.pauseMs(failures);
      logger.warn(`${name} failed (${failures}), next attempt in ${pauseMs} ms: ${textOf(error)}`);
      const dueAt = new Date(Date.now() + pauseMs);
      const { offset, key } = envelope;
      this.wait(payload, { topic, partition, offset, key, failures, error: textOf(error), dueAt });
      return false;
    }
    if (handled.kind === 'dead') logger.error(`${name} went to the dead-letter topic: ${handled.error}`);
    clearTimeout(found?.timer);
    this.waits.delete(place);
    this.handledAt.set(place, envelope.at);
    return true;
  }

  private wait(
    payload: EachBatchPayload,
    { topic, partition, offset, key, failures, error, dueAt }: WaitingMessage,
  ): void {
    const place = placeOf(topic, partition);
    clearTimeout(this.waits.get(place)?.timer);
    const resume = payload.pause();
    const timer = setTimeout(resume, Math.max(0, dueAt.getTime() - Date.now()));
    this.waits.set(place, { topic, partition, offset, key, failures, error, dueAt, timer, resume });
  }
}

/** Tells the group, while a message is handled, that this member is alive. */
class Pulse {
  error: Error | null = null;
  private readonly timer: NodeJS.Timeout;

  constructor(heartbeat: () => Promise<void>) {
    this.timer = setInterval(() => {
      heartbeat().catch((error: unknown) => {
        this.error ??= error as Error;
      });
    }, PULSE_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : described(error);
}
