/** The components that this application declares, found among its providers. */
import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { IDENTIFIER } from '../../protocol/words.js';
import { operationOf } from '../operation.js';
import type { GuardedOp } from '../operation.js';
import { ComponentKey } from './decorators.js';
import type { ComponentMode, DeclaredComponent, SagaCall, TccCall } from './decorators.js';

export type Operation = (call: TccCall | SagaCall) => unknown;

export interface FoundComponent extends DeclaredComponent {
  readonly operations: ReadonlyMap<GuardedOp, Operation>;
  /** Whether it has those too that it may lack. */
  readonly isComplete: boolean;
}

/** Fastify's router matches no longer path parameter, unless it is told to. */
const MAX_NAME_CHARS = 100;
/** The decorator of each mode, and its operations: those that a component must have, and those that it may lack. */
const MODES = {
  tcc: { decorator: '@TccComponent', needed: ['try', 'confirm', 'cancel'], optional: [] },
  saga: { decorator: '@SagaComponent', needed: ['action'], optional: ['compensate'] },
} as const satisfies Record<
  ComponentMode,
  { decorator: string; needed: readonly GuardedOp[]; optional: readonly GuardedOp[] }
>;

@Injectable()
export class Components implements OnModuleInit {
  private readonly byName = new Map<string, FoundComponent>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  get all(): FoundComponent[] {
    return [...this.byName.values()];
  }

  get(name: string): FoundComponent | undefined {
    return this.byName.get(name);
  }

  /** @throws Error when a declaration cannot work: better at the start than at the first order */
  onModuleInit(): void {
    for (const wrapper of this.discovery.getProviders({ metadataKey: ComponentKey.KEY })) {
      const declared = this.discovery.getMetadataByDecorator(ComponentKey, wrapper);
      const instance = wrapper.instance as Record<string, unknown> | null;
      const className = wrapper.metatype?.name ?? String(wrapper.name);
      if (!declared) continue;
      const where = `${MODES[declared.mode].decorator}('${declared.name}') on ${className}`;
      if (!wrapper.isDependencyTreeStatic() || !instance) {
        throw new Error(`${where}: it must be a singleton, not one per request`);
      }
      this.add(declared, this.operationsOf(instance, where), where);
    }
  }

  private add(declared: DeclaredComponent, operations: Map<GuardedOp, Operation>, where: string): void {
    const { name, mode } = declared;
    const { needed, optional } = MODES[mode];
    const complain = (what: string): never => {
      throw new Error(`${where}: ${what}`);
    };
    if (!IDENTIFIER.test(name) || name.length > MAX_NAME_CHARS) {
      complain(`a name has 1 to ${MAX_NAME_CHARS} characters of A-Z a-z 0-9 . _ : -`);
    }
    if (this.byName.has(name)) complain('another provider has this name already');
    const own: readonly GuardedOp[] = [...needed, ...optional];
    const strange = [...operations.keys()].filter((op) => !own.includes(op));
    if (strange.length > 0) complain(`${marks(strange)} is of another kind of component; this one has ${marks(own)}`);
    const missing = needed.filter((op) => !operations.has(op));
    if (missing.length > 0) complain(`no method is marked ${marks(missing)}`);
    this.byName.set(name, { ...declared, operations, isComplete: own.every((op) => operations.has(op)) });
  }

  private operationsOf(instance: Record<string, unknown>, where: string): Map<GuardedOp, Operation> {
    const operations = new Map<GuardedOp, Operation>();
    for (const name of this.scanner.getAllMethodNames(Object.getPrototypeOf(instance) as object)) {
      const method = instance[name];
      const op = operationOf(method);
      if (op === undefined) continue;
      if (operations.has(op)) throw new Error(`${where}: two methods are marked ${marks([op])}`);
      operations.set(op, (method as Operation).bind(instance));
    }
    return operations;
  }
}

/** The operations as they are written in front of methods. */
function marks(ops: readonly GuardedOp[]): string {
  return ops.map((op) => `@${op.charAt(0).toUpperCase()}${op.slice(1)}()`).join(', ');
}
