/** `TercetConfigModule.forRoot({ … })` in the application's root module; `TercetConfig` can then be injected everywhere. */
import { ConfigurableModuleBuilder, Inject, Logger, Module } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { TercetConfigOptions } from '../config/options.js';
import { TercetConfig } from '../config/tercet-config.js';

const OPTIONS = Symbol('TercetConfigOptions');

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<TercetConfigOptions<object>>({
  optionsInjectionToken: OPTIONS,
})
  .setClassMethodName('forRoot')
  .setExtras({}, (definition) => ({ ...definition, global: true }))
  .build();

/** The application starts when it has a configuration, and not without one. */
@Module({
  providers: [
    {
      provide: TercetConfig,
      useFactory: (options: TercetConfigOptions) => TercetConfig.start({ logger: nestLogger(), ...options }),
      inject: [OPTIONS],
    },
  ],
  exports: [TercetConfig],
})
export class TercetConfigModule extends ConfigurableModuleClass implements OnApplicationShutdown {
  constructor(@Inject(TercetConfig) private readonly config: TercetConfig) {
    super();
  }

  /** After the last request. */
  onApplicationShutdown(): Promise<void> {
    return this.config.close();
  }
}

function nestLogger() {
  const logger = new Logger('TercetConfig');
  const text = (fields: object, message: string): string => {
    const facts = Object.entries(fields).map(([name, value]) => `${name}: ${String(value)}`);
    return facts.length === 0 ? message : `${message} (${facts.join(', ')})`;
  };
  return {
    info: (fields: object, message: string) => logger.log(text(fields, message)),
    warn: (fields: object, message: string) => logger.warn(text(fields, message)),
    error: (fields: object, message: string) => logger.error(text(fields, message)),
  };
}
