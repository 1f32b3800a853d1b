/** `tercet key new`: a key for somebody, and the entry of TERCET_KEYS that knows it. Nothing is stored here. */
import { isScoped, newKey, ROLES, SCOPED } from '../http/keys.js';
import type { ScopedRole } from '../http/keys.js';
import type { Command, Given, Option } from './command.js';
import { EXIT, WrongUse } from './exit.js';
import { print, printJson, style } from './terminal.js';

const NAMED: readonly ScopedRole[] = ROLES.filter(isScoped);

export const keyNew: Command = {
  name: 'key new',
  summary: 'makes a key, and the entry of TERCET_KEYS that knows it',
  options: {
    name: { value: 'NAME', says: 'needed: whose it is; stands in timelines' },
    role: { value: 'ROLE', says: `${ROLES.join(', ')}; several times for several`, isRepeatable: true },
    ...scopedOptions(),
    json: { says: 'key and entry, for scripts' },
  },
  about: `The key is shown once: the entry holds its hash alone. viewer reads; initiator
begins, submits, aborts; component registers its own component and instances;
operator retries, parks, resumes, forces, aborts; of the configuration of one
environment, config-reader reads secrets, config-editor drafts, config-releaser
releases; admin may do everything.`,
  examples: [
    ['tercet key new --name ops --role operator', 'for who is on call'],
    ['tercet key new --name order-service --role initiator --component order', 'for a service'],
    ['tercet key new --name anna --config-editor production', 'for who drafts what others release'],
  ],
  run: async (given) => {
    const name = given.text('name');
    if (!name) throw new WrongUse('--name is needed: whose key it is');
    const roles = rolesOf(given);
    const { key, entry } = made(name, roles);
    if (given.has('json')) printJson({ name, roles, key, entry });
    else show(name, roles, key, entry);
    return EXIT.done;
  },
};

/** A role that is for something is given by naming what it is for. */
function scopedOptions(): Record<string, Option> {
  const pairs = NAMED.map((role): [string, Option] => {
    return [
      role,
      { value: SCOPED[role].word, says: `the role ${role}, for this one; several times`, isRepeatable: true },
    ];
  });
  return Object.fromEntries(pairs);
}

function rolesOf(given: Given): string[] {
  const roles = given.texts('role');
  const unknown = roles.find((role) => !(ROLES as readonly string[]).includes(role));
  if (unknown !== undefined) throw new WrongUse(`--role is '${unknown}'; it must be one of ${ROLES.join(', ')}`);
  const lacking = NAMED.find((role) => roles.includes(role) && given.texts(role).length === 0);
  if (lacking) throw new WrongUse(`--role ${lacking} needs --${lacking} ${SCOPED[lacking].word}: which one`);
  const others = roles.filter((role) => !(NAMED as readonly string[]).includes(role));
  const scoped = NAMED.flatMap((role) => given.texts(role).map((what) => `${role}=${what}`));
  const all = [...new Set([...others, ...scoped])];
  if (all.length === 0) throw new WrongUse('--role or --component is needed: what the key may do');
  return all;
}

function made(name: string, roles: readonly string[]): { key: string; entry: string } {
  try {
    return newKey(name, roles.join('+'));
  } catch (error) {
    throw new WrongUse((error as Error).message);
  }
}

function show(name: string, roles: readonly string[], key: string, entry: string): void {
  print(`The key of ${style(name, 'bold')} (${roles.join(', ')}). It is shown this once; keep it as a password:`);
  print();
  print(`  ${style(key, 'bold')}`);
  print();
  print('Its entry, to be put behind the others in TERCET_KEYS of every coordinator:');
  print();
  print(`  ${entry}`);
  print();
  print('The coordinators know it after a restart, one by one. Then it is used so:');
  print();
  print('  TERCET_KEY=tercet_… tercet tx list');
  print('  curl -H "authorization: Bearer $TERCET_KEY" $TERCET_URL/v1/transactions');
}
