/** The components that this application declares, found among its providers. */
import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { IDENTIFIER } from '../../protocol/words.js';
import { ComponentKey, operationOf } from './decorators.js';
import type { DeclaredComponent, GuardedOp, TccCall } from './decorators.js';

export type Operation = (call: TccCall) => unknown;

export interface FoundComponent extends DeclaredComponent {
  readonly operations: ReadonlyMap<GuardedOp, Operation>;
}

/** Fastify's router matches no longer path parameter, unless it is told to. */
const MAX_NAME_CHARS = 100;
const NEEDED = ['try', 'confirm', 'cancel'] as const;

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
      if (!wrapper.isDependencyTreeStatic() || !instance) {
        throw new Error(
          `@TccComponent('${declared.name}') on ${className}: it must be a singleton, not one per request`,
        );
      }
      this.add(declared, this.operationsOf(instance, className), className);
    }
  }

  private add(declared: DeclaredComponent, operations: Map<GuardedOp, Operation>, className: string): void {
    const { name } = declared;
    const complain = (what: string): never => {
      throw new Error(`@TccComponent('${name}') on ${className}: ${what}`);
    };
    if (!IDENTIFIER.test(name) || name.length > MAX_NAME_CHARS) {
      complain(`a name has 1 to ${MAX_NAME_CHARS} characters of A-Z a-z 0-9 . _ : -`);
    }
    if (this.byName.has(name)) complain('another provider has this name already');
    const missing = NEEDED.filter((op) => !operations.has(op));
    if (missing.length > 0) complain(`no method is marked @${missing.map(capitalised).join('(), @')}()`);
    this.byName.set(name, { ...declared, operations });
  }

  private operationsOf(instance: Record<string, unknown>, className: string): Map<GuardedOp, Operation> {
    const operations = new Map<GuardedOp, Operation>();
    for (const name of this.scanner.getAllMethodNames(Object.getPrototypeOf(instance) as object)) {
      const method = instance[name];
      const op = operationOf(method);
      if (op === undefined) continue;
      if (operations.has(op)) throw new Error(`${className}: two methods are marked @${capitalised(op)}()`);
      operations.set(op, (method as Operation).bind(instance));
    }
    return operations;
  }
}

function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
