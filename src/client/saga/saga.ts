/** Sagas as code: each step names its component and makes its payload of the input and of the replies before it. */
import { uuidv7 } from 'uuidv7';
import { IDENTIFIER } from '../../protocol/words.js';
import type { TransactionView } from '../../protocol/words.js';
import type { TercetClient } from '../client.js';
import type { SagaBeginRequest, SagaBranchOptions, SagaBranchRequest, SagaOptions } from '../requests.js';
import type { CallOptions } from '../transport.js';
import { referenceTo, withReferences } from './reference.js';
import type { OrReference } from './reference.js';
import type { NameOf, StepContext, StepOptions, Steps, TypedComponent } from './step.js';

/** What is behind the name of a saga in a gid that is made of it. */
const SUFFIX_CHARS = 37;

// Not exported: what an application exports is of these types, and could not name them.
type NewName<Name extends string, Done extends Steps> = Name extends keyof Done
  ? `there is a step '${Name}' already`
  : Name;
type Reached<Done extends Steps, After extends string> =
  After | (After extends keyof Done ? Done[After]['before'] : never);

export type SagaRunOptions = Omit<SagaBeginRequest, 'mode' | 'branches'>;

/** By step: what its action answered, whatever became of it afterwards. Absent: no answer, or an empty one. */
export type SagaReplies<Done extends Steps> = { readonly [Name in NameOf<Done>]?: Done[Name]['reply'] };

export interface SagaRun<Done extends Steps> {
  /** Look at its `decision`: a saga that was refused is `abort`, with the reason. */
  transaction: TransactionView;
  replies: SagaReplies<Done>;
}

interface Step {
  readonly branchId: string;
  readonly component: string;
  readonly payload: (context: { input: unknown; reply: Record<string, unknown> }) => unknown;
  readonly after: readonly string[];
  /** All that are done before it. */
  readonly before: ReadonlySet<string>;
  readonly options: SagaBranchOptions;
}

/** A definition, to be run as often as there are inputs. It does not change: a step makes another one. */
export class Saga<Input, Done extends Steps, Last extends NameOf<Done>> {
  /** @param isGraph whether a step says what it comes after */
  constructor(
    readonly name: string,
    private readonly options: SagaOptions,
    private readonly steps: readonly Step[],
    private readonly isGraph: boolean,
  ) {}

  /**
   * The saga with one more step, a branch of its transactions.
   *
   * @param name its branchId
   * @param payload is asked once for each run; the same input must give the same payload, or a begin that is repeated
   * with the same gid is refused
   */
  step<
    const Name extends string,
    // So that 'gift' in a payload stays the literal that it is.
    const Payload,
    Reply,
    const After extends readonly NameOf<Done>[] = readonly Last[],
    Before extends string = Reached<Done, After[number]>,
  >(
    name: NewName<Name, Done>,
    component: TypedComponent<Payload, Reply>,
    payload: (context: StepContext<Input, Done, Before>) => NoInfer<OrReference<Payload> | Payload>,
    options: StepOptions<After> = {},
  ): Saga<Input, Done & Record<Name, { reply: Reply; before: Before }>, Name> {
    const { after = this.steps.slice(-1).map(({ branchId }) => branchId), ...rest } = options;
    this.check(name, after);
    const before = new Set(after);
    for (const step of this.steps) if (before.has(step.branchId)) step.before.forEach((each) => before.add(each));
    const step: Step = {
      branchId: name,
      component: component.name,
      // What it is given has the fields that it expects: those of `before`.
      payload: payload as unknown as Step['payload'],
      after,
      before,
      options: rest,
    };
    return new Saga(this.name, this.options, [...this.steps, step], this.isGraph || options.after !== undefined);
  }

  /** What begins this saga for an input, as plain JSON: for `client.begin`, or to be looked at in a test. */
  request(input: Input, options: SagaRunOptions = {}): SagaBeginRequest {
    return { mode: 'saga', ...this.options, ...options, branches: this.steps.map((step) => this.branch(step, input)) };
  }

  /**
   * Begins it and waits, as `client.begin` does: for the decision, unless `wait` says otherwise.
   *
   * @param options without `gid` a new one that begins with the name of the saga
   * @throws as `client.begin`. A refusal is none: the answer has `decision: 'abort'`
   */
  async run(
    client: Pick<TercetClient, 'begin'> & Partial<Pick<TercetClient, 'newId'>>,
    input: Input,
    { signal, ...options }: SagaRunOptions & CallOptions = {},
  ): Promise<SagaRun<Done>> {
    const { gid = `${this.name}-${(await client.newId?.()) ?? uuidv7()}` } = options;
    const transaction = await client.begin(this.request(input, { ...options, gid }), signal ? { signal } : {});
    return { transaction, replies: this.replies(transaction) };
  }

  /** The replies in one of its transactions, as `client.get` or `client.wait` gives it. */
  replies({ branches }: TransactionView): SagaReplies<Done> {
    const own = new Set(this.steps.map(({ branchId }) => branchId));
    const known = branches.filter(({ branchId, reply }) => own.has(branchId) && reply !== null);
    return Object.fromEntries(known.map(({ branchId, reply }) => [branchId, reply])) as SagaReplies<Done>;
  }

  private branch({ branchId, component, payload, after, before, options }: Step, input: Input): SagaBranchRequest {
    const reply = Object.fromEntries([...before].map((each) => [each, referenceTo(each)]));
    const what = `saga '${this.name}', step '${branchId}': the payload`;
    return {
      branchId,
      component,
      payload: withReferences(payload({ input, reply }), what),
      ...(this.isGraph ? { after } : {}),
      ...options,
    };
  }

  /** What a compiler has said already to those who have one. */
  private check(name: string, after: readonly string[]): void {
    const known = new Set(this.steps.map(({ branchId }) => branchId));
    const unknown = after.find((each) => !known.has(each));
    const complain = (what: string): never => {
      throw new TypeError(`saga '${this.name}', step '${name}': ${what}`);
    };
    if (!IDENTIFIER.test(name)) complain('a name has 1 to 128 characters of A-Z a-z 0-9 . _ : -');
    if (known.has(name)) complain('there is a step of this name already');
    if (unknown !== undefined) complain(`it comes after '${unknown}', which is no step before it`);
  }
}

/**
 * The beginning of a definition: `saga<PlaceOrder>('place-order').step(…).step(…)`.
 *
 * @param name for people; transactions without a gid of their own get one that begins with it
 * @param options of each run, unless it has others
 */
export function saga<Input>(name: string, options: SagaOptions = {}): Saga<Input, Record<never, never>, never> {
  const max = 128 - SUFFIX_CHARS;
  if (!IDENTIFIER.test(name) || name.length > max) {
    throw new TypeError(`the name of a saga has 1 to ${max} characters of A-Z a-z 0-9 . _ : -, '${name}' has others`);
  }
  return new Saga(name, options, [], false);
}
