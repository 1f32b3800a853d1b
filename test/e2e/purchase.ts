/**
 * A purchase: a transaction of some shape over the services of the shop, and an account and an item of its own, so that
 * whatever it did can be counted to the cent.
 */
import type { ServiceName, Shop } from '../../examples/scenarios/shop.js';
import { SERVICES } from '../../examples/scenarios/shop.js';
import { TercetClient } from '../../src/client/index.js';
import type { EventView, TransactionView } from '../../src/client/index.js';
import { SIDES } from './calls.js';
import type { Calls } from './calls.js';
import type { Moment } from './moment.js';
import { AMOUNT, BEFORE, TCC } from './shapes.js';
import type { Outcome, Shape } from './shapes.js';

/** No test waits for it. */
const DEADLINE_MS = 300_000;

/** Asks until it is answered, whatever is killed meanwhile. */
export function patientClient(url: string): TercetClient {
  return new TercetClient({ url, retry: { attempts: 600, baseMs: 50, capMs: 100 } });
}

export class Purchase {
  /** What whoever began it was told in the end. */
  private told: Promise<TransactionView> | null = null;

  private constructor(
    private readonly shop: Shop,
    readonly gid: string,
    readonly outcome: Outcome,
    private readonly shape: Shape,
  ) {}

  /** Ready to begin. */
  static async of(shop: Shop, gid: string, outcome: Outcome, shape = TCC): Promise<Purchase> {
    await shop.addAccount(gid, BEFORE.balance);
    await shop.addItem(gid, BEFORE.stock, 1);
    return new Purchase(shop, gid, outcome, shape);
  }

  /** Once: asked again, it gives the answer to the first time. */
  begin(client = patientClient(this.shop.coordinator.url)): Promise<TransactionView> {
    this.told ??= this.request(client);
    this.told.catch(() => undefined);
    return this.told;
  }

  private request(client: TercetClient): Promise<TransactionView> {
    const { gid, outcome, shape } = this;
    return client.begin({ ...shape.begin(gid, outcome), gid, deadlineMs: DEADLINE_MS });
  }

  /** Another coordinator ends it; one that it was never recorded at begins it. */
  async takenOver(client: TercetClient): Promise<void> {
    await this.request(client);
    await client.wait(this.gid, { waitMs: 60_000 });
  }

  /** It has ended as it should have, everywhere, once, and everybody who asks hears the same. */
  async expectOnce({ client = patientClient(this.shop.coordinator.url), outcome = this.outcome } = {}): Promise<void> {
    const { gid, shape } = this;
    const decision = outcome === 'committed' ? 'commit' : 'abort';
    const told = await this.begin(client);
    const ended = await client.wait(gid, { waitMs: 60_000 });
    expect(ended).toMatchObject({ gid, status: outcome, decision, parked: null });
    for (const { state } of ended.branches) expect(shape.states[outcome]).toContain(state);
    const { decidedAt, beganAt, reason } = ended;
    expect(told).toMatchObject({ gid, decision, reason, beganAt, decidedAt });
    expect(await this.request(client)).toEqual(ended);
    expectOneOfEach((await client.timeline(gid)).events);
    await this.expectEffects(outcome);
  }

  /** Money, stock and the order itself are as they should be. */
  async expectEffects(outcome = this.outcome): Promise<void> {
    const { shop, gid, shape } = this;
    const isPlaced = outcome === 'committed';
    const [accounts, items] = await Promise.all([shop.accounts(), shop.items()]);
    const [orders, shipments] = await Promise.all([shop.orders(), shop.shipments()]);
    expect(accounts.find(({ id }) => id === gid)).toEqual({
      id: gid,
      balance: BEFORE.balance - (isPlaced ? AMOUNT : 0),
      held: 0,
    });
    expect(items.find(({ sku }) => sku === gid)).toMatchObject({
      stock: BEFORE.stock - (isPlaced ? shape.sold : 0),
      reserved: 0,
    });
    // An order whose try never got there was never written down.
    const state = orders.find(({ orderId }) => orderId === gid)?.state ?? 'refused';
    expect({ gid, state }).toEqual({ gid, state: isPlaced && shape.isWritten ? 'placed' : 'refused' });
    const parcels = shipments.filter(({ orderId }) => orderId === gid).map(({ receipt }) => receipt);
    expect(parcels).toEqual(isPlaced && shape.isSent ? [`paid-${gid}`] : []);
  }
}

function expectOneOfEach(events: readonly EventView[]): void {
  const kinds = events.map(({ kind }) => kind).filter((kind) => kind !== 'call');
  expect(kinds).toEqual(['begun', 'decided', 'ended']);
}

/** The coordinator lists nothing that is not at its end. */
export async function expectNothingUnfinished(client: TercetClient): Promise<void> {
  for (const status of ['open', 'committing', 'aborting'] as const) {
    expect(await client.list({ status })).toEqual({ transactions: [], next: null });
  }
}

/** A purchase and the one thing of it that is held back. */
export interface Held {
  readonly purchase: Purchase;
  readonly moment: Moment;
}

/** Not begun yet; one for each call of a transaction, to be held before that call has its effect or after. */
export function heldAtCalls(
  shop: Shop,
  calls: Calls,
  outcome: Outcome,
  { shape = TCC, services = SERVICES }: { shape?: Shape; services?: readonly ServiceName[] } = {},
): Promise<Held[]> {
  const places = shape.calls[outcome]
    .filter(({ service }) => services.includes(service))
    .flatMap(({ branchId, op }) => SIDES.map((side) => ({ branchId, op, side })));
  return Promise.all(
    places.map(async ({ branchId, op, side }) => {
      const name = `${shape.name}-${outcome}-${op}-${branchId}-${side}`.replaceAll(' ', '-');
      const purchase = await Purchase.of(shop, name, outcome, shape);
      return { purchase, moment: calls.hold({ gid: purchase.gid, branchId, op }, side) };
    }),
  );
}
