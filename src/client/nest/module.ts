/** `TercetModule.forRoot({ … })` in the application's root module; `TercetClient` can then be injected everywhere. */
import { ConfigurableModuleBuilder, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { TercetClient } from '../client.js';
import { CallsController } from './calls.controller.js';
import { Components } from './components.js';
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
    Registration,
    Signatures,
    { provide: TercetClient, useFactory: (options: TercetOptions) => new TercetClient(options), inject: [OPTIONS] },
  ],
  exports: [TercetClient, Registration],
})
export class TercetModule extends ConfigurableModuleClass {}
