/** How an application with TercetModule makes itself known, and what it says when that does not work. */
import { Injectable, Scope } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TercetClient } from '../../src/client/index.js';
import { Cancel, Confirm, Registration, TccComponent, Try } from '../../src/client/nest/index.js';
import { TestNode } from '../http/node.js';
import { json, Service } from '../participants/service.js';
import type { Asked } from '../participants/service.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { problem, silence } from './coordinator.js';
import { until } from './until.js';
import { create, Currency, moduleOf, Wallet, WalletApp } from './wallet.js';

const here = dirname(fileURLToPath(import.meta.url));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

const impatient = { retry: { attempts: 2, baseMs: 1, capMs: 2 } };
const problemsOf = (body: unknown): string[] => (body as { problems: string[] }).problems;

test('a coordinator that comes late hears of the component; until then the application is not ready and says why', async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  const service = await WalletApp.start({ url: `http://${listen}`, ...impatient });
  let node: TestNode | undefined;
  try {
    let told = await service.ready();
    await until('it says why', async () => {
      told = await service.ready();
      return problemsOf(told.body)[0]?.includes('no certain answer') === true;
    });
    expect(told).toMatchObject({ status: 503, body: { ready: false } });
    expect(problemsOf(told.body)).toEqual([
      expect.stringMatching(
        /^component 'wallet' is not registered: no certain answer from .+ECONNREFUSED.+: ask again$/,
      ),
    ]);
    node = await TestNode.start({ TERCET_LISTEN: listen });
    await service.registered();
    const branches = [{ branchId: 'pay', component: 'wallet', payload: { amount: 1 } }];
    const { decision } = await new TercetClient({ url: node.url }).begin({ branches });
    expect(decision).toBe('commit');
  } finally {
    await service.stop();
    await node?.stop();
  }
});

describe('with a coordinator that says what the test wants', () => {
  let coordinator: Service;
  beforeEach(async () => (coordinator = await Service.start()));
  afterEach(() => coordinator.stop());

  const registered = async (options: Partial<Parameters<typeof WalletApp.start>[0]>): Promise<Asked> => {
    const service = await WalletApp.start({ url: coordinator.url, ...options });
    await coordinator.wasAsked(1);
    await service.stop();
    return coordinator.asked[0]!;
  };

  test.each([
    ['the address where it listens', {}, /^http:\/\/127\.0\.0\.1:\d+\/tercet\/wallet$/],
    [
      'publicUrl',
      { publicUrl: 'https://wallet.svc.local:8443/' },
      /^https:\/\/wallet\.svc\.local:8443\/tercet\/wallet$/,
    ],
    ['publicUrl with a path', { publicUrl: 'http://gate/wallet' }, /^http:\/\/gate\/wallet\/tercet\/wallet$/],
  ])('it gives %s', async (_name, options, url) => {
    const { method, path, text } = await registered(options);
    expect([method, path]).toEqual(['PUT', '/v1/components/wallet']);
    expect(JSON.parse(text)).toEqual({
      url: expect.stringMatching(url),
      timeoutMs: 2000,
      version: '1.2.3',
      retry: { baseMs: 1, capMs: 2, maxAttempts: 3 },
    });
  });

  test('a key goes along', async () => {
    expect((await registered({ key: 'secret' })).headers.authorization).toBe('Bearer secret');
  });

  test('an application without components registers nothing, and is ready', async () => {
    const service = await WalletApp.start({ url: coordinator.url, providers: [Currency] });
    expect((await service.ready()).status).toBe(200);
    await service.stop();
    expect(coordinator.asked).toHaveLength(0);
  });

  test('an application without HTTP starts, registers nothing, and says that nobody can call it', async () => {
    const { url, drop } = await createDatabase();
    const module = moduleOf(url, [Currency, Wallet], { url: coordinator.url });
    const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
    expect(app.get(Registration).problems).toEqual([
      "component 'wallet' is not registered: the application has no HTTP server",
    ]);
    await app.close();
    await drop();
    expect(coordinator.asked).toHaveLength(0);
  });

  test('what the coordinator refuses is a problem with its words, and is tried again', async () => {
    coordinator.answer = problem(422, 'TERCET_TARGET_FORBIDDEN');
    const service = await WalletApp.start({ url: coordinator.url });
    await coordinator.wasAsked(2);
    const { status, body } = await service.ready();
    expect([status, problemsOf(body)]).toEqual([
      503,
      ["component 'wallet' is not registered: TERCET_TARGET_FORBIDDEN: what became of it: TERCET_TARGET_FORBIDDEN"],
    ]);
    coordinator.answer = json({});
    await service.registered();
    await service.stop();
  });

  test.each([
    ['while the coordinator is silent', silence, 1],
    ['while it pauses before it asks again', problem(422, 'TERCET_TARGET_FORBIDDEN'), 3],
  ])(
    'closed %s, the application leaves nothing behind: its process ends by itself',
    async (_name, answer, count) => {
      coordinator.answer = answer;
      const child = spawn(process.execPath, [join(here, 'closing-app.js'), coordinator.url], {
        stdio: ['pipe', 'inherit', 'inherit'],
      });
      // Before the test's own end, so that nothing is left of a failure.
      const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
      const exited = once(child, 'exit');
      await coordinator.wasAsked(count);
      child.stdin.end('close');
      expect(await exited).toEqual([0, null]);
      clearTimeout(late);
    },
    30_000,
  );
});

describe('a declaration that cannot work stops the start, and says which and why', () => {
  let database: TestDatabase;
  beforeAll(async () => (database = await createDatabase()));
  afterAll(() => database.drop());

  @TccComponent('half')
  class Half {
    @Try()
    hold(): void {}
  }

  @TccComponent('wallet')
  class Namesake extends Wallet {}

  @TccComponent('a b')
  class Misnamed extends Wallet {}

  @TccComponent('x'.repeat(101))
  class Longwinded extends Wallet {}

  @TccComponent('twice')
  class Twice extends Wallet {
    @Try()
    holdAgain(): void {}
  }

  @TccComponent('elsewhere', { dataSource: 'ARCHIVE' })
  class Elsewhere extends Wallet {}

  @Injectable({ scope: Scope.REQUEST })
  @TccComponent('each')
  class PerRequest {
    @Try()
    @Confirm()
    @Cancel()
    all(): void {}
  }

  test.each([
    ['operations that are missing', [Half], "@TccComponent('half') on Half: no method is marked @Confirm(), @Cancel()"],
    [
      'a name that is taken',
      [Wallet, Namesake],
      "@TccComponent('wallet') on Namesake: another provider has this name already",
    ],
    [
      'a name that is none',
      [Misnamed],
      "@TccComponent('a b') on Misnamed: a name has 1 to 100 characters of A-Z a-z 0-9 . _ : -",
    ],
    ['a name too long for a path', [Longwinded], 'a name has 1 to 100 characters'],
    ['an operation that is there twice', [Twice], 'Twice: two methods are marked @Try()'],
    ['no such DataSource', [Elsewhere], "component 'elsewhere': no provider is the DataSource 'ARCHIVE'"],
  ])('%s', async (_name, providers, message) => {
    const starting = create(database.url, { url: 'http://127.0.0.1:1', providers: [Currency, ...providers] });
    await expect(starting).rejects.toThrow(message);
  });

  test('one for each request', async () => {
    const starting = create(database.url, { url: 'http://127.0.0.1:1', providers: [PerRequest] });
    await expect(starting).rejects.toThrow(
      "@TccComponent('each') on PerRequest: it must be a singleton, not one per request",
    );
  });
});
