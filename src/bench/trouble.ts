/** The benchmark cannot go on. `message` says what happened, `next` what to do about it. */
export class Trouble extends Error {
  override readonly name = 'Trouble';

  constructor(
    message: string,
    readonly next: string | null = null,
  ) {
    super(message);
  }
}
