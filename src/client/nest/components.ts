/** The components that this application declares, found among its providers. */
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { IDENTIFIER } from '../../protocol/words.js';
import type { Mode, Op } from '../../protocol/words.js';
import { operationOf } from '../operation.js';
import type { GuardedOp } from '../operation.js';
import { ComponentKey } from './decorators.js';
import type { DeclaredComponent, SagaCall, TccCall } from './decorators.js';
import { OPTIONS } from './options.js';
import type { TercetOptions } from './options.js';

export type Operation = (call: TccCall | SagaCall) => unknown;

export interface FoundComponent extends DeclaredComponent {
  readonly operations: ReadonlyMap<GuardedOp, Operation>;
  /** What the coordinator may call: these and, of messages, `check`. */
  readonly ops: readonly Op[];
  /** Whether it has those too that it may lack. */
  readonly isComplete: boolean;
}

/** Fastify's router matches no longer path parameter, unless it is told to. */
const MAX_NAME_CHARS = 100;
/** The decorator of each mode, and its operations: those that a component must have, and those that it may lack. */
const MODES = {
  tcc: { decorator: '@TccComponent', needed: ['try', 'confirm', 'cancel'], optional: [] },
  saga: { decorator: '@SagaComponent', needed: ['action'], optional: ['compensate'] },
  message: { decorator: '@MessageComponent', needed: [], optional: ['deliver'] },
} as const satisfies Record<Mode, { decorator: string; needed: readonly GuardedOp[]; optional: readonly GuardedOp[] }>;

@Injectable()
export class Components implements OnModuleInit {
  private readonly byName = new Map<string, FoundComponent>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    @Inject(OPTIONS) private readonly options: TercetOptions,
  ) {}

  get all(): FoundComponent[] {
    return [...this.byName.values()];
  }

  get(name: string): FoundComponent | undefined {
    return this.byName.get(name);
  }

  /** The one that messages come from. @throws Error when it is not clear which */
  get sender(): FoundComponent {
    const able = this.all.filter(({ mode }) => mode === 'message');
    const named = this.options.messages;
    const sender = named === undefined ? able[0] : this.get(named);
    if (sender && (named !== undefined || able.length === 1)) return sender;
    throw new Error(
      able.length === 0
        ? 'messages need a component that is asked what became of them: name it, TercetModule.forRoot({ messages: … })'
        : `which of ${able.map(({ name }) => `'${name}'`).join(', ')} sends? TercetModule.forRoot({ messages: … }) says it`,
    );
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
    this.addSender();
  }

  /** The component that the module was told of needs no provider. */
  private addSender(): void {
    const { messages: name } = this.options;
    if (name === undefined) return;
    const where = `TercetModule.forRoot({ messages: '${name}' })`;
    const mode = this.get(name)?.mode;
    if (mode === undefined) this.add({ mode: 'message', name, options: {} }, new Map(), where);
    else if (mode !== 'message') throw new Error(`${where}: '${name}' is a ${MODES[mode].decorator}, which sends none`);
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
    const ops = [...(mode === 'message' ? (['check'] as const) : []), ...operations.keys()];
    this.byName.set(name, { ...declared, operations, ops, isComplete: own.every((op) => operations.has(op)) });
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
