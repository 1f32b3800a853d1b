/** everyCrash: a correct saga passes every case, and a defect in a component is found in the case that shows it. */
import { everyCrash } from '../../src/client/testing/index.js';
import type { CrashWorld, TestComponent } from '../../src/client/testing/index.js';
import { purchase, request, Shop } from './memory-shop.js';

/** The shop with something about it that is otherwise. */
function world(change: (shop: Shop) => void = () => undefined, over: Partial<CrashWorld> = {}): CrashWorld {
  const shop = new Shop();
  change(shop);
  return { ...shop, request, ...over };
}

async function complaint(fresh: () => CrashWorld): Promise<string> {
  return everyCrash(fresh).then(
    (report) => JSON.stringify(report),
    (error: Error) => error.message,
  );
}

/** What the shop's components are, by name. */
function partOf(shop: Shop, name: keyof Shop['components']): TestComponent {
  return shop.components[name];
}

describe('what is correct is all or nothing in every case:', () => {
  test('a saga in order', async () => {
    const report = await everyCrash(() => world());
    // Three actions with seven faults each; what they lead to is undone, with five for each compensation.
    expect(report.cases).toBeGreaterThan(3 * 7 + 3 * 5);
    expect(report.committed + report.aborted).toBe(report.cases);
    expect(report.committed).toBeGreaterThanOrEqual(3 * 4);
    expect(report.aborted).toBeGreaterThanOrEqual(3 * 3 + 3 * 5);
    expect(report.leftOut).toBe(0);
  });

  test('a TCC', async () => {
    const report = await everyCrash(() => world(undefined, { request: purchase }));
    // Confirms have faults too.
    expect(report.committed).toBeGreaterThanOrEqual(2 * 4 + 2 * 5);
  });

  test('a saga as a graph, with branches side by side', async () => {
    const branches = [
      { branchId: 'order', component: 'order', payload: { customer: 'alice', amount: 30 }, after: [] },
      { branchId: 'payment', component: 'payment', payload: { amount: 30 }, after: ['order'] },
      { branchId: 'gift', component: 'payment', payload: { amount: 1 }, after: ['order'], retry: { tryAttempts: 5 } },
      { branchId: 'shipment', component: 'shipment', payload: { orderId: 'x' }, after: ['payment', 'gift'] },
    ];
    const report = await everyCrash(() => world(undefined, { request: { mode: 'saga', branches } }));
    expect(report.aborted).toBeGreaterThan(4 * 3);
  });

  test.each(['forward recovery', 'a pivot'])('%s: from then on nothing aborts', async (how) => {
    const isForward = how === 'forward recovery';
    const branches = request.branches.map((branch, index) => ({
      ...branch,
      ...(index === 0 && !isForward ? { pivot: true } : {}),
    }));
    const report = await everyCrash(() =>
      world(undefined, { request: { ...request, branches, ...(isForward ? { recovery: 'forward' as const } : {}) } }),
    );
    // Only the pivot may fail: it is refused, or not heard of.
    const ofThePivot = isForward ? 0 : 3 + 2 * 5;
    expect(report.aborted).toBeLessThanOrEqual(ofThePivot);
    expect(report.committed).toBeGreaterThanOrEqual(3 * 5);
  });

  test('how often a branch is called by its own policy, or by that of its component, makes no difference', async () => {
    const [order] = request.branches;
    const reports = [undefined, { tryAttempts: 1 }, { tryAttempts: 5 }].flatMap((retry) => {
      const branch = { ...order!, ...(retry ? { retry } : {}) };
      const ofComponent = (shop: Shop): void => void (retry && (partOf(shop, 'order').retry = retry));
      return [
        everyCrash(() => world(undefined, { request: { mode: 'saga', branches: [branch] } })),
        everyCrash(() => world(ofComponent, { request: { mode: 'saga', branches: [order!] } })),
      ];
    });
    const told = await Promise.all(reports);
    expect(new Set(told.map(({ aborted }) => aborted)).size).toBe(2);
    expect(told[4]).toEqual(told[0]);
    expect(told[5]).toEqual(told[0]);
    expect(told[3]).toEqual(told[2]);
  });

  test('a saga that is refused by itself leaves nothing', async () => {
    const report = await everyCrash(() => world((shop) => (shop.balance = 1)));
    expect(report.committed).toBe(0);
    expect(report.aborted).toBe(report.cases);
  });
});

describe('a defect is found:', () => {
  test('a compensation that forgets', async () => {
    const text = await complaint(() => world((shop) => (partOf(shop, 'payment').compensate = () => undefined)));
    expect(text).toMatch(/^\d+ of \d+ cases are not all or nothing\n/);
    expect(text).toContain(
      "action of 'shipment' is refused\n  - state.balance is 70, should be 100: action of payment",
    );
    expect(text).toContain('step by step:\nsaga ');
  });

  test('a compensation that can never be done', async () => {
    const text = await complaint(() =>
      world((shop) => {
        partOf(shop, 'order').compensate = () => {
          throw new Error('the order is archived');
        };
      }),
    );
    expect(text).toContain("action of 'order' has its effect, and all its answers get lost\n");
    expect(text).toContain('rollback incomplete');
  });

  test('none where a compensation needs the reply of its action: the fence has it, though the answer got lost', async () => {
    const report = await everyCrash(() =>
      world((shop) => {
        partOf(shop, 'order').compensate = ({ reply }) => {
          shop.orders.delete((reply as { orderId: string }).orderId);
        };
      }),
    );
    expect(report.leftOut).toBe(0);
  });

  test('a compensation that undoes what another step did', async () => {
    const text = await complaint(() =>
      world((shop) => (partOf(shop, 'payment').compensate = () => (shop.balance = 130))),
    );
    expect(text).toContain('state.balance is 130, should be 100');
  });

  test('an action that takes effect before it refuses', async () => {
    const text = await complaint(() =>
      world((shop) => {
        partOf(shop, 'shipment').action = ({ gid }) => {
          shop.parcels.add(gid);
          throw new Error('the printer is out of paper');
        };
      }),
    );
    expect(text).toContain(
      "undisturbed\n  - state.parcels has 'order-17' is true, should be nothing: action of shipment",
    );
  });

  test('an action that does something else when it is repeated', async () => {
    const text = await complaint(() =>
      world((shop) => {
        partOf(shop, 'shipment').action = ({ gid, attempt }) => void shop.parcels.add(`${gid}/${attempt}`);
        partOf(shop, 'shipment').compensate = () => shop.parcels.clear();
      }),
    );
    expect(text).toContain(
      "action of 'shipment' gets lost\n  - state.parcels has 'order-17/1' is nothing, should be true",
    );
  });

  test('a cancel that forgets', async () => {
    const text = await complaint(() =>
      world((shop) => (partOf(shop, 'wallet').cancel = () => undefined), { request: purchase }),
    );
    expect(text).toContain("try of 'stock' is refused\n  - state.held.wallet is 30, should be 0");
  });
});

describe('a proof that is none is refused:', () => {
  test('cases that do not begin alike', async () => {
    let balance = 100;
    const text = await complaint(() => world((shop) => (shop.balance = balance++)));
    expect(text).toMatch(/^each case must begin alike: state.balance is 10\d, and was 10\d at first$/);
  });

  test('a state in which nothing is seen', async () => {
    const text = await complaint(() => world(undefined, { state: () => ({}) }));
    expect(text).toContain('show in it what your components do');
  });

  test('what is cut off by the limit is counted', async () => {
    const all = await everyCrash(() => world());
    const some = await everyCrash(() => world(), { limit: 10 });
    expect(some.cases).toBe(10);
    expect(some.leftOut).toBeGreaterThan(0);
    expect(some.leftOut).toBeLessThan(all.cases);
  });
});
