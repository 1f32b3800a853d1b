/** How a command ends: docs/cli.md lists the exit codes. */

export const EXIT = {
  done: 0,
  /** At work: the coordinator is away, refuses for now or has a defect; the doctor found something wrong. */
  failed: 1,
  /** Wrong use of the command line, or a setting that cannot be. */
  wrongUse: 2,
  /** There is no such transaction, branch, component, dead letter, lock, or thing in the configuration. */
  notThere: 3,
  /** The state of it does not allow this. */
  notNow: 4,
  /** The key is missing, unknown, or may not do this. */
  notAllowed: 5,
  /** `tx watch`: how the transaction ended, or that it did not. */
  aborted: 6,
  parked: 7,
  stillOpen: 8,
} as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

/** The command cannot go on. `message` says what happened, `next` what to do about it. */
export class Failure extends Error {
  override readonly name = 'Failure';

  constructor(
    message: string,
    readonly exit: Exit = EXIT.failed,
    readonly next: string | null = null,
    /** What the message leaves out, line by line. */
    readonly more: readonly string[] = [],
  ) {
    super(message);
  }
}

/** The command was called in a way that it does not know: told together with its help. */
export class WrongUse extends Error {
  override readonly name = 'WrongUse';
}
