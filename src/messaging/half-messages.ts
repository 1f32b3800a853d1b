/**
 * Half messages over Kafka, for producers that would rather not call over HTTP: begin, submit and abort as records of
 * one topic, each acknowledged on a topic of the producer's. docs/wire.md, section 8, has the form.
 *
 * A record is acknowledged after what it asks for is durable, and its offset is committed after that: one that is
 * read again is answered again, for its gid makes it the same request.
 */
import type { EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs';
import type { Coordinator } from '../engine/coordinator.js';
import { LogOutcomeUnknown, LogUnavailable } from '../engine/ports.js';
import type { Clock, Logger } from '../engine/ports.js';
import { transactionView } from '../engine/view.js';
import type { Transaction } from '../domain/transaction.js';
import { beginMessage } from '../protocol/begin.js';
import { requestOf } from '../protocol/begin-request.js';
import { parseBody, validated } from '../protocol/body.js';
import { TercetError } from '../protocol/errors.js';
import { abort, submit } from '../protocol/schema.js';
import { HEADERS, IDENTIFIER, LIMITS, TOPIC } from '../protocol/words.js';
import type { OutboxRecord, Producer } from '../outbox/producer.js';
import { RecordsRefused, TopicUnknown } from '../outbox/producer.js';

/** Records that are worked on at a time: they share group commits. */
const AT_A_TIME = 200;
const RETRY_MS = { first: 200, cap: 5000 };
const SESSION_MS = 30_000;
const STOP_MS = 5000;
/** Fixed, so that no reply is too long for its topic: what was begun can be looked at over HTTP. */
const CALLER = { seesPayloads: false };
const AT_ONCE = { until: 'accepted', ms: 0 } as const;
/** What HTTP answers to who waits for nothing. */
const ACCEPTED = 202;

/** The operations of a record, as its header `tercet-op` names them. */
const OPS = ['begin', 'submit', 'abort'] as const;
type Op = (typeof OPS)[number];

/** Headers of records and of what acknowledges them. */
export const HALF_HEADERS = {
  gid: HEADERS.gid,
  op: HEADERS.op,
  /** The topic that the acknowledgement goes to; none: there is none. */
  replyTo: 'tercet-reply-to',
  /** Comes back as it is. */
  correlation: 'tercet-correlation',
  /** Of an acknowledgement: what HTTP would have answered. */
  status: 'tercet-status',
} as const;

export interface HalfMessageParts {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly coordinator: Coordinator;
  /** What sends the acknowledgements. */
  readonly producer: Producer;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class HalfMessages {
  private readonly consumer;
  private isStopping = false;
  private starting: Promise<void> | null = null;
  /** One batch of acknowledgements at a time, whatever partition it is for. */
  private sending: Promise<void> = Promise.resolve();

  constructor(private readonly parts: HalfMessageParts) {
    this.consumer = parts.kafka.consumer({
      groupId: `tercet.${parts.topic}`,
      sessionTimeout: SESSION_MS,
      allowAutoTopicCreation: false,
      // What it cannot do now it can do later: a broker or topic that is away is waited for.
      retry: { retries: 5, restartOnFailure: () => Promise.resolve(true) },
    });
    // What kafkajs takes for final (a right or a password that is missing) somebody puts right, and it is not asked then.
    this.consumer.on(this.consumer.events.CRASH, ({ payload: { restart, error } }) => {
      if (restart || this.isStopping) return;
      parts.logger.warn({ topic: parts.topic, error: String(error) }, 'half messages are not read now; trying again');
      this.starting = this.pause(RETRY_MS.cap).then(() => this.connect());
    });
  }

  /** Reads from then on, as soon as the broker and the topic are there. */
  start(): void {
    this.starting = this.connect();
  }

  /** Ends what is under way; a broker that does not answer holds it up for no more than five seconds. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.race([this.close(), this.pause(STOP_MS)]);
  }

  private async close(): Promise<void> {
    await this.starting;
    await this.consumer.disconnect();
    await this.sending;
    await this.parts.producer.close();
  }

  private async connect(): Promise<void> {
    const { topic, logger } = this.parts;
    for (let pauseMs = RETRY_MS.first; !this.isStopping; pauseMs = Math.min(pauseMs * 2, RETRY_MS.cap)) {
      try {
        await this.consumer.connect();
        await this.consumer.subscribe({ topic, fromBeginning: true });
        await this.consumer.run({
          autoCommit: true,
          eachBatchAutoResolve: false,
          partitionsConsumedConcurrently: 4,
          eachBatch: (batch) => this.eachBatch(batch),
        });
        return;
      } catch (error) {
        logger.warn({ topic, error: String(error) }, 'half messages are not read from Kafka now; trying again');
        await this.pause(pauseMs);
      }
    }
  }

  private async eachBatch(at: EachBatchPayload): Promise<void> {
    const { messages } = at.batch;
    for (let from = 0; from < messages.length; from += AT_A_TIME) {
      const some = messages.slice(from, from + AT_A_TIME);
      if (!(await this.untilDone(some, at))) return;
      at.resolveOffset(some.at(-1)?.offset ?? '');
      await at.commitOffsetsIfNecessary();
      await at.heartbeat();
    }
  }

  /** False: it stops, or the partition is somebody else's now. */
  private async untilDone(records: readonly KafkaMessage[], at: EachBatchPayload): Promise<boolean> {
    for (let pauseMs = RETRY_MS.first; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS.cap)) {
      if (this.isStopping || !at.isRunning() || at.isStale()) return false;
      try {
        const replies = await this.handle(records);
        const sent = this.sending.then(() => this.send(replies));
        this.sending = sent.catch(() => undefined);
        await sent;
        return true;
      } catch (error) {
        this.parts.logger.warn({ error: String(error) }, 'half messages wait in Kafka; trying again');
        await this.pause(pauseMs);
        await at.heartbeat();
      }
    }
  }

  /** Those of one gid in their order, those of different ones at a time. */
  private async handle(records: readonly KafkaMessage[]): Promise<OutboxRecord[]> {
    const chains = new Map<string, Promise<unknown>>();
    const replies = records.map(async (record) => {
      const gid = headerOf(record, HALF_HEADERS.gid) ?? '';
      const reply = (chains.get(gid) ?? Promise.resolve()).then(() => this.answer(record, gid));
      chains.set(gid, reply);
      return reply;
    });
    // All come to their end before anything is repeated.
    const ends = await Promise.allSettled(replies);
    return ends.flatMap((end) => {
      if (end.status === 'rejected') throw end.reason;
      return end.value ?? [];
    });
  }

  /** The acknowledgement; null: nobody asked for one. @throws LogUnavailable, LogOutcomeUnknown: ask again */
  private async answer(record: KafkaMessage, gid: string): Promise<OutboxRecord | null> {
    const op = headerOf(record, HALF_HEADERS.op);
    try {
      const tx = await this.perform(record, gid, op);
      return replyTo(record, ACCEPTED, transactionView(tx, CALLER));
    } catch (error) {
      if (error instanceof LogUnavailable || error instanceof LogOutcomeUnknown) throw error;
      if (!(error instanceof TercetError)) throw error;
      // Room comes: it waits in Kafka.
      if (error.status === 429) throw error;
      const reply = replyTo(record, error.status, error.toProblem());
      if (reply === null) this.parts.logger.warn({ gid, op, code: error.code }, 'a half message was refused unheard');
      return reply;
    }
  }

  private async perform(record: KafkaMessage, gid: string, op: string | null): Promise<Transaction> {
    if (!IDENTIFIER.test(gid)) throw invalid(HALF_HEADERS.gid, 'must be a gid: 1 to 128 of A-Z a-z 0-9 . _ : -');
    if (!isOp(op)) throw invalid(HALF_HEADERS.op, `must be one of ${OPS.join(', ')}`);
    const value = record.value ?? Buffer.alloc(0);
    if (value.length > LIMITS.bodyBytes) {
      throw new TercetError('TERCET_REQUEST_TOO_LARGE', `the value is larger than ${LIMITS.bodyBytes} bytes`);
    }
    const body = parseBody(value);
    const { coordinator } = this.parts;
    switch (op) {
      case 'begin': {
        const asked = validated(beginMessage, body);
        if (asked.gid !== undefined && asked.gid !== gid)
          throw invalid('gid', `differs from the header ${HALF_HEADERS.gid}`);
        const traceparent = headerOf(record, 'traceparent') ?? undefined;
        return (await coordinator.begin({ ...requestOf(asked, body), gid, traceparent }, AT_ONCE)).tx;
      }
      case 'submit':
        if (validated(submit, body).by !== undefined) throw invalid('by', 'no operator speaks here');
        return (await coordinator.submit(gid, AT_ONCE)).tx;
      case 'abort': {
        const { by, reason = null } = validated(abort, body);
        if (by === 'operator') throw invalid('by', 'no operator speaks here');
        return (await coordinator.abort(gid, reason, AT_ONCE)).tx;
      }
    }
  }

  /**
   * A reply that can never be sent, because its topic is not there or it is too long, is lost: the producer may ask over
   * HTTP, or again. All of a batch may be too long together, where each alone is not.
   */
  private async send(replies: readonly OutboxRecord[]): Promise<void> {
    const { producer, logger } = this.parts;
    const [first] = replies;
    if (!first) return;
    try {
      await producer.send(replies);
    } catch (error) {
      if (error instanceof TopicUnknown) {
        const { topic } = error;
        logger.warn({ topic }, 'acknowledgements of half messages have nowhere to go');
        await this.send(replies.filter((reply) => reply.topic !== topic));
      } else if (!(error instanceof RecordsRefused)) throw error;
      else if (replies.length === 1) {
        const { topic, key: gid } = first;
        logger.warn({ topic, gid, error: error.message }, 'an acknowledgement of a half message cannot be sent');
      } else {
        const middle = replies.length >> 1;
        await this.send(replies.slice(0, middle));
        await this.send(replies.slice(middle));
      }
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.parts.clock.after(ms, resolve));
  }
}

function replyTo(record: KafkaMessage, status: number, body: object): OutboxRecord | null {
  const topic = headerOf(record, HALF_HEADERS.replyTo);
  if (topic === null || !TOPIC.test(topic)) return null;
  const headers: Record<string, string> = { 'content-type': 'application/json', [HALF_HEADERS.status]: String(status) };
  for (const name of [HALF_HEADERS.gid, HALF_HEADERS.op, HALF_HEADERS.correlation]) {
    const value = headerOf(record, name);
    if (value !== null) headers[name] = value;
  }
  const key = headerOf(record, HALF_HEADERS.gid);
  return { topic, key, payload: JSON.stringify(body), headers: JSON.stringify(headers) };
}

function headerOf({ headers }: KafkaMessage, name: string): string | null {
  const value = headers?.[name];
  const first = Array.isArray(value) ? value[0] : value;
  return first === undefined ? null : String(first);
}

function isOp(op: string | null): op is Op {
  return (OPS as readonly (string | null)[]).includes(op);
}

function invalid(path: string, message: string): TercetError {
  return new TercetError('TERCET_REQUEST_INVALID', `${path}: ${message}`, [{ path, message }]);
}
