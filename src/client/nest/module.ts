/** `TercetModule.forRoot({ … })` in the application's root module; `TercetClient` and `Messages` can then be injected everywhere. */
import { ConfigurableModuleBuilder, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { TercetClient } from '../client.js';
import { CallsController } from './calls.controller.js';
import { Components } from './components.js';
import { Databases } from './databases.js';
import { Messages } from './messages.js';
import { OPTIONS } from './options.js';
import type { TercetOptions } from './options.js';
import { Registration } from './registration.js';
import { Signatures } from './signatures.js';

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<TercetOptions>({ optionsInjectionToken: OPTIONS })
  .setClassMethodName('forRoot')
  .setExtras({}, (definition) => ({ ...definition, global: true }))
  .build();

@Module({
  imports: [DiscoveryModule],
  controllers: [CallsController],
  providers: [
    Components,
    Databases,
    Messages,
    Registration,
    Signatures,
    { provide: TercetClient, useFactory: (options: TercetOptions) => new TercetClient(options), inject: [OPTIONS] },
  ],
  exports: [TercetClient, Messages, Registration],
})
export class TercetModule extends ConfigurableModuleClass {}
