/** What an application does to all of its routes, and what of it may reach those of TercetModule. */
import {
  ForbiddenException,
  HttpException,
  RequestMethod,
  StandardSchemaValidationPipe,
  VersioningType,
} from '@nestjs/common';
import type {
  ArgumentMetadata,
  CallHandler,
  CanActivate,
  ExceptionFilter,
  ExecutionContext,
  NestInterceptor,
  PipeTransform,
} from '@nestjs/common';
import { map } from 'rxjs';
import { TercetClient } from '../../src/client/index.js';
import { isTercetCall } from '../../src/client/nest/index.js';
import { TestNode } from '../http/node.js';
import { ready } from './until.js';
import { WalletApp } from './wallet.js';
import type { WalletOptions } from './wallet.js';

let node: TestNode;
let client: TercetClient;
let service: WalletApp;

beforeAll(async () => {
  node = await TestNode.start();
  client = new TercetClient({ url: node.url });
});
afterAll(() => node.stop());
afterEach(() => service.stop());

async function start(configure: WalletOptions['configure'], options: Partial<WalletOptions> = {}): Promise<void> {
  service = await WalletApp.start({ url: node.url, ...(configure ? { configure } : {}), ...options });
}

const pay = (payload: object = { amount: 300 }) =>
  client.begin({ wait: 'settled', branches: [{ branchId: 'pay', component: 'wallet', payload }] });

test.each<[string, string, NonNullable<WalletOptions['configure']>]>([
  ['a global prefix', '/api/v2/tercet', (app) => app.setGlobalPrefix('api/v2')],
  ['versions in the path', '/tercet', (app) => app.enableVersioning({ type: VersioningType.URI, defaultVersion: '3' })],
  [
    'both',
    '/api/tercet',
    (app) => app.setGlobalPrefix('api').enableVersioning({ type: VersioningType.URI, defaultVersion: '3' }),
  ],
])('%s: the component is registered where its routes are', async (_name, path, configure) => {
  await start(configure);
  await ready(`${service.url}${path}/ready`);
  expect((await client.getComponent('wallet')).url).toBe(`${service.url}${path}/wallet`);
  expect(await pay()).toMatchObject({ status: 'committed' });
});

test('pipes do not change a call or refuse it', async () => {
  class Shout implements PipeTransform {
    transform(value: unknown, { type }: ArgumentMetadata): unknown {
      if (type === 'body') return { shouted: true };
      if (type === 'param') throw new ForbiddenException();
      return value;
    }
  }
  await start((app) => app.useGlobalPipes(new StandardSchemaValidationPipe(), new Shout()));
  await service.registered();
  expect(await pay()).toMatchObject({ status: 'committed', branches: [{ reply: { held: 300 } }] });
});

test('interceptors that wrap answers, and filters that rewrite errors, do not touch the answer to a call', async () => {
  class Wrap implements NestInterceptor {
    intercept(_context: ExecutionContext, next: CallHandler) {
      return next.handle().pipe(map((data: unknown) => ({ data })));
    }
  }
  class Hide implements ExceptionFilter {
    catch(): void {
      throw new HttpException('hidden', 200);
    }
  }
  await start((app) => app.useGlobalInterceptors(new Wrap()).useGlobalFilters(new Hide()));
  await service.registered();
  expect(await pay()).toMatchObject({ status: 'committed', branches: [{ reply: { held: 300 } }] });
  expect(await pay({ amount: 1, then: 'refuse' })).toMatchObject({ reason: { kind: 'refused' } });
  expect((await service.call('once', 'confirm')).status).toBe(500);
});

describe('a guard', () => {
  class Guard implements CanActivate {
    constructor(private readonly isOpen: (context: ExecutionContext) => boolean) {}

    canActivate(context: ExecutionContext): boolean {
      return this.isOpen(context);
    }
  }

  test('that keeps everybody out keeps the coordinator out too: the try stays unknown, nothing takes effect', async () => {
    await start((app) => app.useGlobalGuards(new Guard(() => false)));
    // Not by way of its own probe, which the guard keeps out as well.
    await client.putComponent('wallet', { url: `${service.url}/tercet/wallet`, retry: { baseMs: 1, capMs: 2 } });
    expect(await pay()).toMatchObject({ decision: 'abort', reason: { kind: 'unknown', branchId: 'pay' } });
    expect(await service.money()).toEqual({ balance: 1000, held: 0 });
  });

  test('lets calls and the probe through with isTercetCall', async () => {
    await start((app) => app.useGlobalGuards(new Guard(isTercetCall)));
    await service.registered();
    expect(await pay()).toMatchObject({ status: 'committed' });
  });
});

test('the limit of bodies: the default takes the largest payload, and one that is too low makes a try unknown', async () => {
  const note = 'x'.repeat(256 * 1024 - 100);
  await start(undefined);
  await service.registered();
  expect(await pay({ amount: 300, note })).toMatchObject({ status: 'committed' });
  await service.stop();
  await start(undefined, { bodyLimit: 64 * 1024 });
  await service.registered();
  expect(await pay({ amount: 300, note })).toMatchObject({
    reason: { kind: 'unknown', detail: expect.stringContaining('413') },
  });
});

test('routes that a prefix leaves out stay out', async () => {
  const exclude = [{ path: 'health', method: RequestMethod.GET }];
  await start((app) => app.setGlobalPrefix('api', { exclude }));
  await ready(`${service.url}/api/tercet/ready`);
  expect(await pay()).toMatchObject({ status: 'committed' });
});
