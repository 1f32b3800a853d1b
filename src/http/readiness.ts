/** Whether the node takes requests, and if not, which part is wrong. */
export class Readiness {
  /**
   * @param parts each says what is wrong with it, beginning with its name; nothing when it is well
   * @param others the same of parts without which the node takes requests all the same
   */
  constructor(
    private readonly parts: readonly (() => readonly string[])[],
    private readonly others: readonly (() => readonly string[])[] = [],
  ) {}

  /** Empty when it does. Read by anybody: no address, no name of a host. */
  problems(): string[] {
    return this.parts.flatMap((problems) => problems());
  }

  /** What goes slow or waits while it does. Read by anybody, as the others. */
  warnings(): string[] {
    return this.others.flatMap((problems) => problems());
  }
}
