/** What a compiler knows of the steps of a saga: which there are, what they answer, and what is done before each. */
import type { Json } from '../../protocol/words.js';
import type { SagaBranchOptions } from '../requests.js';
import type { Reference } from './reference.js';

declare const TYPES: unique symbol;

/** A component, with the types of its payload and of what its action answers. */
export interface TypedComponent<Payload, Reply> {
  readonly name: string;
  readonly [TYPES]?: { payload: Payload; reply: Reply };
}

/** @param name as it is registered */
export function sagaComponent<Payload = unknown, Reply = Json>(name: string): TypedComponent<Payload, Reply> {
  return { name };
}

/** Of each step by its name: what its action answers, and which steps are done before it. */
export type Steps = Record<string, { reply: unknown; before: string }>;
export type NameOf<Done extends Steps> = keyof Done & string;
type Answering<Done extends Steps, Name extends string> = Name extends keyof Done
  ? Done[Name]['reply'] extends null | undefined | void
    ? never
    : Name
  : never;

/** What a step makes its payload of. */
export interface StepContext<Input, Done extends Steps, Before extends string> {
  readonly input: Input;
  /** References to the replies of those steps that are done before this one, and that answer anything. */
  readonly reply: {
    readonly [Name in NameOf<Done> & Before as Answering<Done, Name>]: Reference<Done[Name]['reply']>;
  };
}

export interface StepOptions<After extends readonly string[]> extends SagaBranchOptions {
  /** The steps that must be done before this one starts; default: the one before it. `[]`: it starts at once. */
  after?: After;
}
