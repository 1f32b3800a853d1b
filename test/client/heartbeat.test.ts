/** How an application with TercetModule says that it is alive, and that it ends. */
import { TercetClient } from '../../src/client/index.js';
import { TestNode } from '../http/node.js';
import { json, Service } from '../participants/service.js';
import type { Asked } from '../participants/service.js';
import { drop, problem } from './coordinator.js';
import { until } from './until.js';
import { WalletApp } from './wallet.js';
import type { WalletOptions } from './wallet.js';

const INSTANCE = /^\/v1\/components\/wallet\/instances\/([A-Za-z0-9._:-]+)$/;
/** Every 50 ms or so. */
const instanceTtlMs = 150;

describe('with a coordinator that says what the test wants', () => {
  let coordinator: Service;
  let app: WalletApp | null;
  beforeEach(async () => {
    coordinator = await Service.start();
    app = null;
  });
  afterEach(async () => {
    await app?.stop();
    await coordinator.stop();
  });

  const start = async (options: Partial<WalletOptions> = {}): Promise<WalletApp> => {
    app = await WalletApp.start({ url: coordinator.url, instanceTtlMs, retry: { attempts: 1 }, ...options });
    return app;
  };
  const asked = (method: string, path: RegExp): Asked[] =>
    coordinator.asked.filter((one) => one.method === method && path.test(one.path));
  const beats = (): Asked[] => asked('PUT', INSTANCE);
  const registrations = (): Asked[] => asked('PUT', /^\/v1\/components\/wallet$/);
  const beaten = (count: number): Promise<void> =>
    until(`there are ${count} heartbeats`, () => Promise.resolve(beats().length >= count));

  test('once registered it beats under one name, with its own address, for as long as it runs', async () => {
    const { url } = await start();
    await beaten(3);
    expect(registrations()).toHaveLength(1);
    expect(coordinator.asked.indexOf(registrations()[0]!)).toBeLessThan(coordinator.asked.indexOf(beats()[0]!));
    expect(new Set(beats().map(({ path }) => path)).size).toBe(1);
    for (const { text } of beats()) {
      expect(JSON.parse(text)).toEqual({ url: `${url}/tercet/wallet`, ttlMs: instanceTtlMs });
    }
  });

  test('its name is one that no other instance has, unless it is given; publicUrl is its address', async () => {
    const names: string[] = [];
    for (const options of [{}, {}, { instance: 'wallet-1', publicUrl: 'http://10.1.2.3:3000' }]) {
      const before = beats().length;
      await start(options);
      await beaten(before + 1);
      await app?.stop();
      app = null;
      names.push(INSTANCE.exec(beats().at(-1)!.path)![1]!);
    }
    expect(new Set(names).size).toBe(3);
    expect(names[2]).toBe('wallet-1');
    expect(JSON.parse(beats().at(-1)!.text)).toMatchObject({ url: 'http://10.1.2.3:3000/tercet/wallet' });
  });

  test('with `instance: false` it registers, and neither beats nor signs off', async () => {
    const service = await start({ instance: false });
    await service.registered();
    await service.stop();
    app = null;
    expect(coordinator.asked).toHaveLength(1);
  });

  test('a name that cannot be one stops the start', async () => {
    await expect(start({ instance: 'a/b' })).rejects.toThrow("the instance's name 'a/b' must have 1 to 128 characters");
  });

  test('while the coordinator is away it keeps trying and stays ready, and beats on when it is back', async () => {
    const service = await start();
    await beaten(1);
    coordinator.answer = drop;
    await beaten(4);
    expect((await service.ready()).status).toBe(200);
    coordinator.answer = json({});
    const before = beats().length;
    await beaten(before + 3);
    expect(registrations()).toHaveLength(1);
  });

  test('what the coordinator refuses is asked for no more often than a heartbeat is due', async () => {
    coordinator.answer = (response, one) =>
      (INSTANCE.test(one.path) ? problem(422, 'TERCET_TARGET_FORBIDDEN') : json({}))(response, one);
    await start({ instanceTtlMs: 60_000 });
    await beaten(1);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(beats()).toHaveLength(1);
  });

  test('a component that was taken out meanwhile is registered again, and beats on', async () => {
    let isThere = true;
    coordinator.answer = (response, one) => {
      if (!INSTANCE.test(one.path)) isThere = true;
      (isThere ? json({}) : problem(404, 'TERCET_COMPONENT_UNKNOWN'))(response, one);
    };
    await start();
    await beaten(1);
    isThere = false;
    await until('it is registered again', () => Promise.resolve(registrations().length === 2));
    await beaten(beats().length + 2);
    expect(registrations()).toHaveLength(2);
  });

  test('it signs off before it closes: as long as calls may come it answers', async () => {
    const service = await start();
    await beaten(1);
    const answered = new Promise<number>((resolve, reject) => {
      coordinator.answer = (response, one) => {
        json({})(response, one);
        if (one.method !== 'DELETE') return;
        // What another node sent a moment later.
        setTimeout(() => void fetch(`${service.url}/tercet/ready`).then(({ status }) => resolve(status), reject), 300);
      };
    });
    await service.stop();
    app = null;
    expect(await answered).toBe(200);
    expect(asked('DELETE', INSTANCE).map(({ path }) => path)).toEqual([beats()[0]!.path]);
    const before = coordinator.asked.length;
    await expect(fetch(`${service.url}/tercet/ready`)).rejects.toThrow();
    expect(coordinator.asked).toHaveLength(before);
  });

  test('it signs off after the heartbeat that is still on its way, which would bring it back else', async () => {
    const told: string[] = [];
    coordinator.answer = (response, one) => {
      const answer = (): void => {
        told.push(one.method);
        json({})(response, one);
      };
      if (INSTANCE.test(one.path) && one.method === 'PUT') setTimeout(answer, 200);
      else answer();
    };
    const service = await start({ instanceTtlMs: 60_000 });
    await beaten(1);
    await service.stop();
    app = null;
    expect(told).toEqual(['PUT', 'PUT', 'DELETE']);
  });

  test('a coordinator that is gone does not keep it from closing', async () => {
    const service = await start();
    await beaten(1);
    coordinator.answer = () => undefined;
    await service.stop();
    app = null;
    await expect(fetch(`${service.url}/tercet/ready`)).rejects.toThrow();
  });
});

test('two applications are two instances; when one signs off every call goes to the other', async () => {
  const node = await TestNode.start();
  const client = new TercetClient({ url: node.url });
  const apps = [await WalletApp.start({ url: node.url }), await WalletApp.start({ url: node.url })];
  const names = async (): Promise<string[]> =>
    (await client.getComponent('wallet')).instances.filter((one) => one.isAlive).map(({ url }) => url);
  try {
    await until('both are known', async () => (await names()).length === 2);
    await apps[0]!.stop();
    expect(await names()).toEqual([`${apps[1]!.url}/tercet/wallet`]);
    const branches = [{ branchId: 'pay', component: 'wallet', payload: { amount: 1 } }];
    for (const gid of ['1', '2', '3']) expect((await client.begin({ gid, branches })).decision).toBe('commit');
    expect(apps[1]!.wallet.ran.filter(({ op }) => op === 'try')).toHaveLength(3);
  } finally {
    await apps[1]!.stop();
    await node.stop();
  }
});
