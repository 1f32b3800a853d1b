/** Signed calls: a Nest application with a secret does nothing for whoever does not know it. */
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { SigningSecrets, TercetClient, TercetError, verifyCall } from '../../src/client/index.js';
import type { ParticipantCall } from '../../src/client/index.js';
import { TestNode } from '../http/node.js';
import { callOf, WalletApp } from './wallet.js';
import type { Told, WalletOptions } from './wallet.js';

const SECRET = 'the-secret-of-thirty-two-letters';
const OTHER = 'another-secret-of-so-many-letters';
const PATH = '/tercet/wallet/try';

/** Express is none of the packages of this project; where it is installed, everything is tried with it too. */
const name: string = '@nestjs/platform-express';
const express = await import(name).then(
  ({ ExpressAdapter }: { ExpressAdapter: new () => AbstractHttpAdapter }) => ExpressAdapter,
  () => null,
);
if (!express) process.stderr.write('not tried with Express: @nestjs/platform-express is not installed\n');
const ADAPTERS: [string, () => Partial<WalletOptions>][] = [['Fastify', () => ({})]];
if (express) ADAPTERS.push(['Express', () => ({ adapter: new express() })]);

let node: TestNode;
let client: TercetClient;

beforeAll(async () => {
  node = await TestNode.start({ TERCET_SIGNING_SECRET: SECRET });
  client = new TercetClient({ url: node.url });
});
afterAll(() => node.stop());

/** Runs with an application, and stops it. */
async function using<T>(options: Partial<WalletOptions>, work: (service: WalletApp) => Promise<T>): Promise<T> {
  const service = await WalletApp.start({ url: node.url, ...options });
  try {
    return await work(service);
  } finally {
    await service.stop();
  }
}

interface Signing {
  secret?: string;
  path?: string;
  gid?: string;
  op?: string;
  body?: string;
  at?: number;
}

/** Headers for a call, signed as told and else rightly. */
function signed(gid: string, body: string, over: Signing = {}): Record<string, string> {
  const { secret = SECRET, at = Date.now(), ...rest } = over;
  const what = { method: 'POST', path: PATH, gid, op: 'try', body, ...rest };
  return {
    'tercet-gid': gid,
    'tercet-op': 'try',
    'tercet-signature': new SigningSecrets(secret).sign(what, at),
  };
}

const invalid = (detail: RegExp): object => ({
  status: 401,
  body: { code: 'TERCET_SIGNATURE_INVALID', detail: expect.stringMatching(detail) },
});

describe.each(ADAPTERS)('Nest on %s', (_name, adapter) => {
  let service: WalletApp;
  beforeAll(async () => {
    service = await WalletApp.start({ url: node.url, signingSecret: SECRET, ...adapter() });
    await service.registered();
  });
  afterAll(() => service.stop());

  const send = (gid: string, over: Signing = {}, body = JSON.stringify(callOf(gid, 'try'))): Promise<Told> =>
    service.post(PATH, body, signed(gid, body, over));

  test('a transaction goes through that a coordinator with the secret drives, and one that its initiator does', async () => {
    const branches = [{ branchId: 'pay', component: 'wallet', payload: { amount: 1, for: 'Zoë ☂' } }];
    expect(await client.begin({ wait: 'settled', branches })).toMatchObject({ status: 'committed' });
    const { transaction } = await client.tcc({ wait: 'settled' }, (tx) => tx.try('pay', 'wallet', { amount: 1 }));
    expect(transaction).toMatchObject({ status: 'committed' });
  });

  test.each<[string, Signing, RegExp]>([
    ['another path', { path: '/tercet/wallet/confirm' }, /^no secret known here/],
    ['another gid', { gid: 'other' }, /^no secret known here/],
    ['another operation', { op: 'confirm' }, /^no secret known here/],
    ['another body', { body: '{}' }, /^no secret known here/],
    ['another secret', { secret: OTHER }, /^no secret known here/],
    ['six minutes ago', { at: Date.now() - 360_000 }, /ago, which is too old$/],
    ['six minutes ahead', { at: Date.now() + 360_000 }, /ahead of the clock here$/],
  ])('a call that was signed for or with %s is refused, and nothing is done', async (_what, over, detail) => {
    expect(await send('refused', over)).toMatchObject(invalid(detail));
    expect(service.ran('refused')).toEqual([]);
  });

  test('a call that is not signed is refused, and nothing is done', async () => {
    const told = await service.post(PATH, callOf('unsigned', 'try'));
    expect(told).toMatchObject(invalid(/^there is no tercet-signature/));
    expect(service.ran('unsigned')).toEqual([]);
  });

  test('nobody without the secret learns which components there are', async () => {
    expect((await service.post('/tercet/account/try', callOf('unsigned', 'try'))).status).toBe(401);
  });

  test('the very bytes count: odd spaces and letters are good as they were signed, and not otherwise', async () => {
    const body = JSON.stringify(callOf('bytes', 'try'), null, 3).replace('300', '3.00e2, "for": "Zo\\u00eb ☂"');
    expect(await send('bytes', {}, body)).toMatchObject({ status: 200 });
    expect(await send('bytes', { body: JSON.stringify(JSON.parse(body)) }, body)).toMatchObject({ status: 401 });
  });

  test('a body that comes in pieces, with pauses, is whole', async () => {
    const body = JSON.stringify(callOf('pieces', 'try', { payload: { amount: 1, for: 'x'.repeat(60_000) } }));
    const pieces = new ReadableStream<Uint8Array>({
      async start(stream) {
        for (let at = 0; at < body.length; at += 20_000) {
          stream.enqueue(Buffer.from(body.slice(at, at + 20_000)));
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        stream.close();
      },
    });
    const headers = { 'content-type': 'application/json', ...signed('pieces', body) };
    const request = { method: 'POST', headers, body: pieces, duplex: 'half' } as RequestInit;
    expect((await fetch(service.url + PATH, request)).status).toBe(200);
  });

  test('the probe needs no signature', async () => {
    expect((await service.ready()).status).toBe(200);
  });
});

test('the secret of the environment is taken where the module is given none', async () => {
  process.env['TERCET_SIGNING_SECRET'] = SECRET;
  try {
    await using({}, async (service) => {
      expect((await service.post(PATH, callOf('unsigned', 'try'))).status).toBe(401);
    });
    process.env['TERCET_SIGNING_SECRET'] = 'tooshort';
    await expect(using({}, async () => null)).rejects.toThrow(/^TERCET_SIGNING_SECRET: the secret must have 32 to/);
  } finally {
    delete process.env['TERCET_SIGNING_SECRET'];
  }
});

test('an empty secret stops the start: it is not taken for none', async () => {
  await expect(using({ signingSecret: '' }, async () => null)).rejects.toThrow(/^TercetModule, option signingSecret: /);
});

test('the tolerance is that of the option', async () => {
  await using({ signingSecret: SECRET, signatureToleranceMs: 1000 }, async (service) => {
    const body = JSON.stringify(callOf('old', 'try'));
    const told = await service.post(PATH, body, signed('old', body, { at: Date.now() - 60_000 }));
    expect(told).toMatchObject(invalid(/^it was signed 6\d s ago, which is too old/));
  });
});

test('behind a proxy that changes the path, the one of publicUrl is good too', async () => {
  const publicUrl = 'http://gateway.example/shop/';
  await using({ signingSecret: SECRET, publicUrl, configure: (app) => app.setGlobalPrefix('api') }, async (service) => {
    const body = JSON.stringify(callOf('outer', 'try'));
    const post = (path: string): Promise<Told> =>
      service.post(`/api${PATH}?x=1`, body, signed('outer', body, { path }));
    expect(await post(`/shop/api${PATH}`)).toMatchObject({ status: 200 });
    expect(await post(`/api${PATH}?x=1`)).toMatchObject({ status: 200 });
    expect(await post(`/other/api${PATH}`)).toMatchObject({ status: 401 });
  });
});

test.each(ADAPTERS)(
  'on %s what is done is what was signed, whatever was made of it on the way',
  async (_name, adapter) => {
    class Meddle implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        const { body } = context.switchToHttp().getRequest<{ body: ParticipantCall }>();
        body.payload = { amount: 999 };
        return true;
      }
    }
    const configure: WalletOptions['configure'] = (app) => app.useGlobalGuards(new Meddle());
    await using({ signingSecret: SECRET, configure, ...adapter() }, async (service) => {
      const body = JSON.stringify(callOf('meddled', 'try'));
      expect((await service.post(PATH, body, signed('meddled', body))).body).toMatchObject({ held: 300 });
    });
  },
);

test('without the bytes it is an error that says what to set, and with rawBody they are those of Nest', async () => {
  const body = JSON.stringify(callOf('injected', 'try'));
  const request = { method: 'POST', url: PATH, headers: { 'content-type': 'application/json' }, body } as const;
  const headers = { ...request.headers, ...signed('injected', body) };
  // This way around the socket is that of a serverless adapter.
  await using({ signingSecret: SECRET }, async ({ app }) => {
    const told = await app.inject({ ...request, headers });
    expect([told.statusCode, told.json()]).toMatchObject([500, { code: 'TERCET_RAW_BODY_MISSING' }]);
    expect((await app.inject(request)).statusCode).toBe(401);
  });
  await using({ signingSecret: SECRET, rawBody: true }, async ({ app }) => {
    expect((await app.inject({ ...request, headers })).statusCode).toBe(200);
    expect((await app.inject({ ...request, headers: { ...headers, 'tercet-gid': 'other' } })).statusCode).toBe(401);
  });
});

describe('secrets that do not match', () => {
  const fast = { retry: { baseMs: 1, capMs: 2, maxAttempts: 2 } };
  const branches = [{ branchId: 'pay', component: 'wallet', payload: { amount: 1 } }];

  test('at the try: the transaction aborts, in words that lead to the cause, and the service did nothing', async () => {
    await using({ signingSecret: OTHER }, async (service) => {
      await service.registered();
      const { decision, reason, gid } = await client.begin({ wait: 'settled', branches });
      expect([decision, reason?.kind]).toEqual(['abort', 'unknown']);
      expect(reason?.detail).toMatch(/401.*TERCET_SIGNATURE_INVALID.*compare TERCET_SIGNING_SECRET/);
      expect(service.ran(gid)).toEqual([]);
    });
  });

  test('at the confirm: it is parked, with the same words', async () => {
    await using({ signingSecret: SECRET }, (first) =>
      using({ signingSecret: OTHER }, async (second) => {
        await Promise.all([first.registered(), second.registered()]);
        const url = `${first.url}/tercet/wallet`;
        // Beside a url, endpoints win over the instances that beat here.
        const endpoints = { try: `${url}/try`, confirm: `${second.url}/tercet/wallet/confirm` };
        await client.putComponent('wallet', { url, endpoints, ...fast });
        const { decision, parked, gid } = await client.begin({ wait: 'settled', branches });
        expect([decision, parked?.op]).toEqual(['commit', 'confirm']);
        expect(parked?.why).toMatch(/TERCET_SIGNATURE_INVALID.*compare TERCET_SIGNING_SECRET/);
        expect([first.ran(gid), second.ran(gid)]).toEqual([['try'], []]);
      }),
    );
  });
});

test('while secrets are changed, a service that has the old one of two, or the new, or both, takes part', async () => {
  const rotating = await node.beside({ TERCET_SIGNING_SECRET: `${OTHER},${SECRET}` });
  try {
    for (const signingSecret of [SECRET, OTHER, `${SECRET},${OTHER}`]) {
      await using({ signingSecret, url: rotating.url }, async (service) => {
        await service.registered();
        const branches = [{ branchId: 'pay', component: 'wallet', payload: { amount: 1 } }];
        const begun = await new TercetClient({ url: rotating.url }).begin({ wait: 'settled', branches });
        expect(begun).toMatchObject({ status: 'committed' });
      });
    }
  } finally {
    await rotating.drain();
  }
});

test('verifyCall takes headers as Node has them, and throws what is to be answered', () => {
  const body = JSON.stringify(callOf('plain', 'try'));
  const headers = signed('plain', body);
  const call = { method: 'POST', path: PATH, headers, body: Buffer.from(body), secrets: `${OTHER},${SECRET}` };
  expect(() => verifyCall(call)).not.toThrow();
  const failure = (over: object): unknown => {
    try {
      return verifyCall({ ...call, ...over });
    } catch (error) {
      return error;
    }
  };
  expect(failure({ secrets: OTHER })).toMatchObject({ status: 401, code: 'TERCET_SIGNATURE_INVALID' });
  expect(failure({ headers: {} })).toBeInstanceOf(TercetError);
  expect(failure({ headers: { ...headers, 'tercet-gid': ['plain', 'plain'] } })).toBeInstanceOf(TercetError);
  expect(failure({ secrets: '' })).toBeInstanceOf(RangeError);
});
