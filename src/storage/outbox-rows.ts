/** Deliveries as rows of the outbox, written by the statement that puts them on their way. */
import { newlyQueued } from '../domain/message.js';
import type { Transaction } from '../domain/transaction.js';
import { bucketOf, cloudEventHeaders } from '../outbox/message.js';

/** Of json_to_recordset. */
export const OUTBOX_ROW = 'gid text, bucket int, message_id text, topic text, key text, payload text, headers text';

/** Who says so in the events of transactions: `ce_source`. */
const SOURCE = 'urn:tercet';

/** JSON rows for what a write queues, with commas between them. */
export function outboxRows(before: Transaction, after: Transaction): string {
  return newlyQueued(before, after)
    .flatMap(({ branchId, payload, topic: to }) => {
      if (!to) return [];
      const { gid, trace, decidedAt, beganAt } = after;
      const { topic, key } = to;
      const id = `${gid}/${branchId}`;
      const event = { id, type: topic, source: SOURCE, at: decidedAt ?? beganAt, key, traceparent: trace };
      const headers = { ...cloudEventHeaders(event, to.headers), ce_gid: gid, ce_branchid: branchId };
      const row = { gid, bucket: bucketOf({ key, id }), message_id: id, topic, key, payload };
      return JSON.stringify({ ...row, headers: JSON.stringify(headers) });
    })
    .join(',');
}
