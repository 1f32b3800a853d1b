/** `tercet id decode`: what an id says of itself. Nobody is asked. */
import { decode } from '../ids/decode.js';
import type { Decoded } from '../ids/decode.js';
import type { Command } from './command.js';
import { EXIT, WrongUse } from './exit.js';
import { print, printJson } from './terminal.js';

export const idDecode: Command = {
  name: 'id decode',
  operands: 'ID',
  operandCount: { from: 1, to: 1 },
  summary: 'says what a snowflake or a UUIDv7 contains',
  options: { json: { says: 'the same, for scripts' } },
  about: `The time is that of the machine or the database where the id was made. Numbers of
segments, sequences and Redis contain nothing; one that is large enough is taken for
a snowflake.`,
  examples: [
    ['tercet id decode 117440512000008192', 'a snowflake: time, worker id, sequence'],
    ['tercet id decode 019aa5b2-6f00-7c3e-8d2a-5b1f0e9c4d7a', 'a UUIDv7: time and counter'],
  ],
  run: async (given) => {
    const [id = ''] = given.operands;
    const parts = shownOf(decoded(id));
    if (given.has('json')) printJson({ id, ...parts });
    else for (const [name, value] of Object.entries(parts)) print(`${name.padEnd(8)}  ${value}`);
    return EXIT.done;
  },
};

function decoded(id: string): Decoded {
  try {
    return decode(id);
  } catch (error) {
    throw new WrongUse((error as Error).message);
  }
}

function shownOf(found: Decoded): Record<string, string | number> {
  const at = new Date(found.at).toISOString();
  switch (found.kind) {
    case 'snowflake':
      return { kind: found.kind, at, worker: found.worker, sequence: found.sequence };
    case 'uuidv7':
      return { kind: found.kind, at, counter: String(found.counter) };
  }
}
