/** What a compiler says of sagas; saga-builder.test.ts compiles it. Each `@ts-expect-error` is an error there must be. */
/* eslint-disable @typescript-eslint/no-unsafe-member-access -- eslint knows no type for what the compiler refuses */
import { saga, sagaComponent } from '../../src/client/index.js';
import type { Json, OrReference, Reference, TercetClient } from '../../src/client/index.js';

interface PlaceOrder {
  customer: string;
  cents: number;
  urgent?: boolean;
}
interface OrderReply {
  orderId: string;
  number: number;
  lines: { sku: string; count: number }[];
  address: { city: string; 'house/number': string };
  note?: string;
  kind: 'gift' | 'own';
}

const order = sagaComponent<{ customer: string; urgent?: boolean }, OrderReply>('order');
const payment = sagaComponent<{ orderId: string; cents: number }, { paymentId: string }>('payment');
const parcel = sagaComponent<
  { skus: string[]; to: { city: string }; kind: 'gift' | 'own' | 'lost'; note?: string },
  null
>('parcel');
const anything = sagaComponent('anything');

const begun = saga<PlaceOrder>('place-order').step('order', order, ({ input }) => ({ customer: input.customer }));
const paid = begun.step('payment', payment, ({ input, reply }) => ({
  orderId: reply.order.orderId,
  cents: input.cents,
}));

export const placeOrder = paid
  .step(
    'parcel',
    parcel,
    ({ reply }) => ({
      skus: [reply.order.lines[0]!.sku, 'leaflet'],
      to: reply.order.address,
      kind: reply.order.kind,
      note: reply.order.note!,
    }),
    { pivot: true, timeoutMs: 1000, retry: { tryAttempts: 1 }, compensateRetry: { maxAttempts: 5 } },
  )
  .step('all', anything, ({ input, reply }) => ({ order: reply.order, half: [reply.payment.paymentId, input.cents] }), {
    compensate: false,
  });

/** What comes of it. */
export async function results(client: TercetClient): Promise<[string | undefined, Json | undefined]> {
  const { transaction, replies } = await placeOrder.run(client, { customer: 'c', cents: 1 }, { recovery: 'forward' });
  const decision: 'commit' | 'abort' | null = transaction.decision;
  // @ts-expect-error a step that did not answer has no reply
  const sure: string = replies.order.orderId;
  // @ts-expect-error there is no such step
  const strange: unknown = replies.nobody;
  // @ts-expect-error the type of a reply is that of its component
  const wrong: number | undefined = replies.payment?.paymentId;
  return [decision ?? sure ?? String(strange) + String(wrong) + replies.payment?.paymentId, replies.all];
}

// @ts-expect-error a begin needs the input of the saga
placeOrder.request({ customer: 'c' });
// @ts-expect-error a recovery is one of two words
placeOrder.request({ customer: 'c', cents: 1 }, { recovery: 'sideways' });

/** Payloads. */
// @ts-expect-error a field is missing
begun.step('payment', payment, ({ reply }) => ({ orderId: reply.order.orderId }));
// @ts-expect-error a reference to a number where a text is wanted
begun.step('payment', payment, ({ reply }) => ({ orderId: reply.order.number, cents: 1 }));
// @ts-expect-error a text where a number is wanted
begun.step('payment', payment, ({ reply, input }) => ({ orderId: reply.order.orderId, cents: input.customer }));
// @ts-expect-error the reply has no such field
begun.step('payment', payment, ({ reply }) => ({ orderId: reply.order.id, cents: 1 }));
// @ts-expect-error the input has no such field
begun.step('payment', payment, ({ input }) => ({ orderId: input.orderId, cents: 1 }));
// @ts-expect-error one item where a list is wanted
begun.step('parcel', parcel, ({ reply }) => ({ skus: reply.order.lines[0]!.sku, to: { city: 'x' }, kind: 'own' }));
// @ts-expect-error a field of something that is no object
begun.step('payment', payment, ({ reply }) => ({ orderId: reply.order.orderId.first, cents: 1 }));
// @ts-expect-error nobody can compute with what is not known yet
begun.step('payment', payment, ({ reply }) => ({ orderId: '1', cents: reply.order.number * 2 }));
begun.step('parcel', parcel, ({ reply }) => ({ skus: [], to: reply.order.address, kind: 'lost' }));
// @ts-expect-error what a reply may lack must not be relied on unsaid
begun.step('parcel', parcel, ({ reply }) => ({ skus: [], to: { city: '' }, kind: 'lost', note: reply.order.note }));

/** Names. */
// @ts-expect-error there is a step of this name
paid.step('order', order, () => ({ customer: 'c' }));
// @ts-expect-error a step that answers nothing has no reply
placeOrder.step('end', anything, ({ reply }) => reply.parcel);
// @ts-expect-error a later step has no reply yet
begun.step('payment', payment, ({ reply }) => ({ orderId: reply.parcel.orderId, cents: 1 }));
// @ts-expect-error nor has the step itself
begun.step('payment', payment, ({ reply }) => ({ orderId: reply.payment.paymentId, cents: 1 }));
// @ts-expect-error nothing is before the first step
saga<PlaceOrder>('place-order').step('payment', payment, ({ reply }) => ({ orderId: reply.order.orderId, cents: 1 }));

/** Graphs. */
const both = begun
  .step('payment', payment, ({ reply }) => ({ orderId: reply.order.orderId, cents: 1 }), { after: ['order'] })
  .step('extra', anything, ({ reply }) => ({ orderId: reply.order.orderId }), { after: ['order'] });
export const graph = both
  .step('parcel', anything, ({ reply }) => [reply.order.orderId, reply.payment.paymentId, reply.extra], {
    after: ['payment', 'extra'],
  })
  .step('last', anything, ({ reply }) => [reply.order.orderId, reply.payment.paymentId, reply.parcel])
  .step('free', anything, () => null, { after: [] });

// @ts-expect-error it comes after a step that there is not
begun.step('payment', payment, () => ({ orderId: '1', cents: 1 }), { after: ['parcel'] });
// @ts-expect-error the extra step runs beside this one
both.step('parcel', anything, ({ reply }) => reply.extra, { after: ['payment'] });
// @ts-expect-error after none there is no reply
both.step('parcel', anything, ({ reply }) => reply.order, { after: [] });
// @ts-expect-error what comes after the free step alone knows that one alone
graph.step('end', anything, ({ reply }) => reply.last);

/** References are what they stand for, and nothing else. */
export function assignable(text: Reference<string>, some: Reference<'a' | 'b'>, list: Reference<string[]>): unknown[] {
  const asText: OrReference<string> = text;
  const wider: OrReference<string> = some;
  const json: OrReference<Json> = { list, text };
  // @ts-expect-error wider than what is wanted
  const narrower: OrReference<'a' | 'b'> = text;
  // @ts-expect-error a reference is no text
  const plain: string = text;
  // @ts-expect-error the length of a list is no part of it
  const length: unknown = list.length;
  return [asText, wider, json, narrower, plain, length];
}
