/** Whether the node takes requests, and if not, which part is wrong. */
export class Readiness {
  /** @param parts each says what is wrong with it, beginning with its name; nothing when it is well */
  constructor(private readonly parts: readonly (() => readonly string[])[]) {}

  /** Empty when it does. Read by anybody: no address, no name of a host. */
  problems(): string[] {
    return this.parts.flatMap((problems) => problems());
  }
}
