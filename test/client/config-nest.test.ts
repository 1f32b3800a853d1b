/** TercetConfigModule: an application starts with its configuration, gets it injected, and lets go of it at its end. */
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TercetConfig } from '../../src/client/config/index.js';
import { TercetConfigModule } from '../../src/client/nest/index.js';
import type { ConfigContent } from '../../src/protocol/config.js';
import { FakeCenter } from './config-center.js';
import { until } from './until.js';

const parse = { orders: ({ mostItems = 10 }: ConfigContent) => ({ mostItems }) };

@Injectable()
class Orders {
  constructor(@Inject(TercetConfig) readonly config: TercetConfig<{ orders: { mostItems: unknown } }>) {}
}

let center: FakeCenter;
beforeEach(async () => {
  center = await FakeCenter.start();
});
afterEach(() => center.stop());

function application() {
  @Module({
    imports: [
      TercetConfigModule.forRoot({ url: center.url, environment: 'production', namespaces: ['orders'], parse }),
    ],
    providers: [Orders],
  })
  class AppModule {}
  return NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
}

test('a provider has the configuration injected, and each release after', async () => {
  center.publish({ orders: { mostItems: 3 } });
  const app = await application();
  const { config } = app.get(Orders);
  expect(config.get('orders').mostItems).toBe(3);
  center.publish({ orders: { mostItems: 4 } });
  await until('the release is in force', async () => config.get('orders').mostItems === 4);
  // What is on its way when it closes may still arrive.
  await until('the release is told of', async () => center.told.at(-1)?.namespaces['orders']?.release === 2);
  await app.close();
  const told = center.told.length;
  center.publish({ orders: { mostItems: 5 } });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect([config.get('orders').mostItems, center.told.length]).toEqual([4, told]);
});

test('an application that cannot have its configuration does not start', async () => {
  await center.stop();
  await expect(application()).rejects.toThrow('TERCET_CONFIG_UNAVAILABLE');
  await center.restart();
});
