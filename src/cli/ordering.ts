/** Orders of a person, one after the other, each with its reason. */
import { Api } from './api.js';
import type { Given, Option } from './command.js';
import { EXIT, Failure, WrongUse } from './exit.js';
import type { Exit } from './exit.js';
import { note, print, printJson } from './terminal.js';

export const REASON: Readonly<Record<string, Option>> = {
  reason: { value: 'TEXT', says: 'needed: why; recorded with who gave it' },
};

/** One after the other; what is refused does not keep the others. Ends as the first that was refused. */
export async function each<T>(
  given: Given,
  names: readonly string[],
  send: (api: Api, name: string) => Promise<T>,
  told: (answer: T) => string,
): Promise<Exit> {
  const api = new Api(given);
  let exit: Exit = EXIT.done;
  for (const name of names) {
    try {
      const answer = await send(api, name);
      if (given.has('json')) printJson(answer);
      else print(told(answer));
    } catch (error) {
      // Not reachable, or no right: the next one would be told the same.
      if (!(error instanceof Failure) || names.length === 1 || !isOfThisOne(error)) throw error;
      note(`tercet: ${name}: ${error.message}`);
      if (exit === EXIT.done) exit = error.exit;
    }
  }
  return exit;
}

function isOfThisOne({ exit }: Failure): boolean {
  return exit === EXIT.notThere || exit === EXIT.notNow || exit === EXIT.wrongUse;
}

export function reasonOf(given: Given): string {
  const reason = given.text('reason');
  if (reason) return reason;
  throw new WrongUse('--reason is needed: why, for whoever asks later');
}
