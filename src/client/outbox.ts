/** An outbox in the service's own database: messages that go to Kafka if and only if the transaction commits that appends them. */
import { append } from '../outbox/append.js';
import type { NewMessage } from '../outbox/append.js';
import type { Executor } from '../platform/executor.js';

export interface OutboxOptions {
  /** `ce_source` of all its messages: who says so, a URI reference such as `urn:shop:order`. */
  source: string;
  /** Begins the names of its tables; default `tercet_outbox`. */
  prefix?: string;
  /** The active trace context of the W3C, asked for each `append`; default: messages belong to no trace. */
  traceparent?: () => string | undefined;
}

export interface Outbox {
  /**
   * Appends one message or several, with one statement, in the order in which they are to leave.
   *
   * @param executor the open transaction of the work that they tell of: the manager of `dataSource.transaction()`, or a
   * client of pg after BEGIN
   * @returns their ids, each the `ce_id` of its message
   * @throws RangeError that names the field, when a message is out of bounds; TypeError for what is plainly no open
   * transaction: a DataSource, its own manager, a pool
   */
  append(executor: Executor, messages: NewMessage | readonly NewMessage[]): Promise<string[]>;
}

/** @throws RangeError when the source is empty */
export function outbox({ source, prefix, traceparent }: OutboxOptions): Outbox {
  if (source.trim() === '') throw new RangeError('source: consumers must see who says so, urn:shop:order for instance');
  const own = { source, ...(prefix === undefined ? {} : { prefix }) };
  return {
    async append(executor, messages) {
      demandTransaction(executor);
      const all = isList(messages) ? messages : [messages];
      return append(executor, all, { ...own, traceparent: traceparent?.() ?? null });
    },
  };
}

/** Each of these would commit the messages by themselves, whatever becomes of the work. */
function demandTransaction(executor: Executor & { queryRunner?: unknown; totalCount?: unknown }): void {
  const isTypeOrm = 'transaction' in executor;
  if ((isTypeOrm && !executor.queryRunner) || executor.totalCount !== undefined) {
    throw new TypeError(
      'append in the open transaction of the work: the manager that dataSource.transaction() hands you',
    );
  }
}

function isList(messages: NewMessage | readonly NewMessage[]): messages is readonly NewMessage[] {
  return Array.isArray(messages);
}
