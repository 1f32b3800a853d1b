/** Marks a provider as a component, and its methods as the component's operations. */
import { Injectable, SetMetadata, applyDecorators } from '@nestjs/common';
import type { InjectionToken } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import type { EntityManager } from 'typeorm';
import type { CheckPolicy, Json, Mode, ParticipantCall } from '../../protocol/words.js';
import { OPERATION } from '../operation.js';
import type { GuardedOp } from '../operation.js';
import type { ComponentRequest } from '../requests.js';

/** What a method that is an operation gets. */
interface BranchCall<Payload, Reply> extends Pick<ParticipantCall, 'gid' | 'branchId' | 'beganAt'> {
  /** Which attempt of the coordinator this is, from 1. */
  readonly attempt: number;
  readonly payload: Payload;
  /**
   * What the `@Try()` or `@Action()` method answered, for the methods that come after it, as the fence has kept it: known
   * wherever it took effect. Null in that method itself, where it answered nothing, and after `new Pending()` that never ended.
   */
  readonly reply: Reply | null;
  /** The open transaction that the fence row stands in: what is written with it takes effect once or not at all. */
  readonly manager: EntityManager;
}

/** What a `@Try()`, `@Confirm()` or `@Cancel()` method gets. */
export type TccCall<Payload = Json, Reply = Json> = BranchCall<Payload, Reply>;

/** What an `@Action()` or `@Compensate()` method gets. References in the payload are filled in. */
export type SagaCall<Payload = Json, Reply = Json> = BranchCall<Payload, Reply>;

/** What a `@Deliver()` method gets: a message that was committed. */
export type DeliverCall<Payload = Json> = Omit<BranchCall<Payload, never>, 'reply'>;

/** How the coordinator calls a component. */
export interface ComponentOptions extends Pick<ComponentRequest, 'timeoutMs' | 'concurrency' | 'retry' | 'version'> {
  /** Token of the TypeORM DataSource to open transactions on; default: that of TercetModule. */
  dataSource?: InjectionToken;
}

/** Of a component of messages. */
export interface MessageComponentOptions extends ComponentOptions {
  /** When it is asked what became of a message that says nothing else of it. */
  check?: Partial<CheckPolicy>;
}

export interface DeclaredComponent {
  readonly mode: Mode;
  readonly name: string;
  readonly options: MessageComponentOptions;
}

/** Found again by the module's discovery. */
export const ComponentKey = DiscoveryService.createDecorator<DeclaredComponent>();

/**
 * A provider whose methods are the operations of a TCC component. It is registered under `name` when the
 * application listens; `options` are the component's settings at the coordinator.
 */
export function TccComponent(name: string, options: ComponentOptions = {}): ClassDecorator {
  return declared({ mode: 'tcc', name, options });
}

/** The same for a component of sagas, with an `@Action()` method and, where there is something to undo, `@Compensate()`. */
export function SagaComponent(name: string, options: ComponentOptions = {}): ClassDecorator {
  return declared({ mode: 'saga', name, options });
}

/**
 * The same for a component of messages: it sends them, with `Messages`, or gets them, with a `@Deliver()` method, or both.
 * Checks are answered by the fence, there is nothing to write for them.
 */
export function MessageComponent(name: string, options: MessageComponentOptions = {}): ClassDecorator {
  return declared({ mode: 'message', name, options });
}

function declared(component: DeclaredComponent): ClassDecorator {
  return applyDecorators(Injectable(), ComponentKey(component));
}

/** Checks and reserves. Throw Refused to say no: everything written is rolled back, and the transaction aborts. */
export const Try = (): MethodDecorator => SetMetadata(OPERATION, 'try' satisfies GuardedOp);

/** Makes what was reserved final. Runs only after the try, and must not refuse. */
export const Confirm = (): MethodDecorator => SetMetadata(OPERATION, 'confirm' satisfies GuardedOp);

/** Gives back what was reserved. Runs only after the try took effect, and must not refuse. */
export const Cancel = (): MethodDecorator => SetMetadata(OPERATION, 'cancel' satisfies GuardedOp);

/** Does the work. Throw Refused to say no: everything written is rolled back, and the saga aborts, or asks again later. */
export const Action = (): MethodDecorator => SetMetadata(OPERATION, 'action' satisfies GuardedOp);

/** Undoes what the action did. Runs only after the action took effect, and must not refuse. */
export const Compensate = (): MethodDecorator => SetMetadata(OPERATION, 'compensate' satisfies GuardedOp);

/** Takes a message that was committed. It must not refuse: what it throws is rolled back, and the message comes again. */
export const Deliver = (): MethodDecorator => SetMetadata(OPERATION, 'deliver' satisfies GuardedOp);
