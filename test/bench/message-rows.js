/** The messages of the benchmark, the same for all that is compared: an order of some 260 bytes, with its headers. */
import { bucketOf, cloudEventHeaders } from '../../dist/src/outbox/message.js';

const NOTE = 'x'.repeat(180);

/** The `number`th one, of so many keys. */
export function messageOf(number, keys, at = 0) {
  const id = `order-${number}/paid`;
  const key = `customer-${number % keys}`;
  const gid = `order-${number}`;
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const event = { id, type: 'order-paid', source: 'urn:tercet', at, key, traceparent };
  const headers = cloudEventHeaders(event, { ce_gid: gid, ce_branchid: 'paid' });
  return { id, key, payload: JSON.stringify({ orderId: gid, cents: 5990, at, note: NOTE }), headers };
}

const CHUNK = 5000;

/** Into the outbox of Tercet, or into the table of the other relays, in the transaction of `client`. */
export async function insert(client, table, topic, total, keys) {
  for (let from = 0; from < total; from += CHUNK) {
    const rows = Array.from({ length: Math.min(CHUNK, total - from) }, (_, index) => messageOf(from + index, keys));
    const values = [
      rows.map(() => topic),
      rows.map(({ key }) => key),
      rows.map(({ payload }) => payload),
      rows.map(({ headers }) => JSON.stringify(headers)),
    ];
    if (table === 'tercet_outbox') {
      await client.query(
        `INSERT INTO tercet_outbox (topic, key, payload, headers, message_id, bucket)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[])`,
        [...values, rows.map(({ id }) => id), rows.map(bucketOf)],
      );
    } else {
      await client.query(
        `INSERT INTO ${table} (topic, key, payload, headers)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])`,
        values,
      );
    }
  }
}
