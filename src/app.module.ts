import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { Coordinator } from './engine/coordinator.js';
import { ConfigCenter } from './config-center/center.js';
import { ComponentsController } from './http/components.controller.js';
import { ConfigController } from './http/config.controller.js';
import { ConfigReleasesController } from './http/config-releases.controller.js';
import { ConfigValues } from './http/config-values.js';
import { ConfigValuesController } from './http/config-values.controller.js';
import { Diagnosis } from './http/diagnosis.js';
import { DiagnosisController } from './http/diagnosis.controller.js';
import { DocsController } from './http/docs.controller.js';
import { HealthController } from './http/health.controller.js';
import { InstancesController } from './http/instances.controller.js';
import { LockDesk } from './http/locks.js';
import { LocksController } from './http/locks.controller.js';
import { MetricsController } from './http/metrics.controller.js';
import { OpenApiController } from './http/openapi.controller.js';
import { OperatorController } from './http/operator.controller.js';
import { OutboxController } from './http/outbox.controller.js';
import { Outbox } from './http/outbox.js';
import { Readiness } from './http/readiness.js';
import { RolloutWatch } from './http/rollout-watch.js';
import { TransactionsController } from './http/transactions.controller.js';
import { Metrics } from './metrics/metrics.js';
import { AllowList } from './participants/allow-list.js';
import { HttpParticipants } from './participants/http.js';
import { PostgresComponents } from './storage/components.js';

export interface Parts {
  readonly coordinator: Coordinator;
  readonly components: PostgresComponents;
  readonly participants: HttpParticipants;
  readonly allowList: AllowList;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** In flight at a time. */
  readonly maxRequests: number;
  readonly outbox: Outbox;
  readonly locks: LockDesk;
  readonly config: { readonly center: ConfigCenter; readonly values: ConfigValues; readonly rollouts: RolloutWatch };
  readonly diagnosis: Diagnosis;
}

@Module({})
export class AppModule {
  /** The controllers over parts that were built, and are started and stopped, outside: Nest is the edge only. */
  static over(parts: Parts): DynamicModule {
    const { coordinator, components, participants, allowList, metrics, readiness, outbox, locks, config, diagnosis } =
      parts;
    return {
      module: AppModule,
      controllers: [
        ComponentsController,
        InstancesController,
        TransactionsController,
        OperatorController,
        OutboxController,
        LocksController,
        ConfigController,
        ConfigReleasesController,
        ConfigValuesController,
        DiagnosisController,
        HealthController,
        MetricsController,
        OpenApiController,
        DocsController,
      ],
      providers: [
        { provide: Coordinator, useValue: coordinator },
        { provide: PostgresComponents, useValue: components },
        { provide: HttpParticipants, useValue: participants },
        { provide: AllowList, useValue: allowList },
        { provide: Metrics, useValue: metrics },
        { provide: Readiness, useValue: readiness },
        { provide: Outbox, useValue: outbox },
        { provide: LockDesk, useValue: locks },
        { provide: ConfigCenter, useValue: config.center },
        { provide: ConfigValues, useValue: config.values },
        { provide: RolloutWatch, useValue: config.rollouts },
        { provide: Diagnosis, useValue: diagnosis },
      ],
    };
  }
}
