/** Contents on the command line: `limits.max` or `/limits/max` in them, and what is put there. */
import { readFileSync } from 'node:fs';
import type { ConfigContent } from '../protocol/config.js';
import { jsonProblem } from '../protocol/json.js';
import type { Json } from '../protocol/words.js';
import { WrongUse } from './exit.js';

/** The end of an array, as the step of a path. */
const END = '-';

/** @returns its steps. @throws WrongUse */
export function stepsOf(path: string): string[] {
  const steps = path.startsWith('/')
    ? path
        .slice(1)
        .split('/')
        .map((step) => step.replace(/~1/g, '/').replace(/~0/g, '~'))
    : path.split('.');
  if (path === '' || steps.includes('') || (!path.startsWith('/') && path.includes('/'))) {
    throw new WrongUse(`'${path}' is no path; it must be like limits.max, or like /limits/max where names have dots`);
  }
  return steps;
}

/** Undefined: there is nothing. */
export function valueAt(content: Json, path: string): Json | undefined {
  let found: Json | undefined = content;
  for (const step of stepsOf(path)) {
    if (found === null || typeof found !== 'object' || !Object.hasOwn(found, step)) return undefined;
    found = Array.isArray(found) ? found[Number(step)] : found[step];
  }
  return found;
}

/** The same with `value` at `path`; objects on the way are made. @throws WrongUse */
export function withValue(content: ConfigContent, path: string, value: Json): ConfigContent {
  return put(content, stepsOf(path), path, value) as ConfigContent;
}

/** The same without what is at `path`. @throws WrongUse when there is nothing */
export function without(content: ConfigContent, path: string): ConfigContent {
  if (valueAt(content, path) === undefined) throw new WrongUse(`there is nothing at '${path}' that could be taken out`);
  return put(content, stepsOf(path), path, undefined) as ConfigContent;
}

function put(
  within: Json | undefined,
  steps: readonly string[],
  path: string,
  value: Json | undefined,
): Json | undefined {
  const [step, ...more] = steps;
  if (step === undefined) return value;
  if (Array.isArray(within)) return putInArray(within, step, more, path, value);
  if (within !== undefined && (within === null || typeof within !== 'object')) {
    throw new WrongUse(`'${path}' leads through '${JSON.stringify(within)}', which is no object`);
  }
  const { [step]: there, ...others } = within ?? {};
  const made = put(Object.hasOwn(within ?? {}, step) ? there : undefined, more, path, value);
  return made === undefined ? others : { ...(within ?? {}), [step]: made };
}

function putInArray(
  within: readonly Json[],
  step: string,
  more: readonly string[],
  path: string,
  value: Json | undefined,
): Json {
  const index = step === END ? within.length : /^(0|[1-9]\d{0,5})$/.test(step) ? Number(step) : -1;
  if (index < 0 || index > within.length) {
    throw new WrongUse(`'${path}': '${step}' is no place in a list of ${within.length}; '${END}' is its end`);
  }
  const item = put(within[index], more, path, value);
  return [...within.slice(0, index), ...(item === undefined ? [] : [item]), ...within.slice(index + 1)];
}

/** `limits.max=5`: JSON where it is some, else text. @throws WrongUse */
export function assignmentOf(text: string): { path: string; value: Json } {
  const equals = text.indexOf('=');
  if (equals < 1) throw new WrongUse(`'${text}' is no PATH=VALUE, such as limits.max=5`);
  const given = text.slice(equals + 1);
  let value: Json;
  try {
    value = JSON.parse(given) as Json;
  } catch {
    value = given;
  }
  const problem = typeof value === 'string' ? null : jsonProblem(given);
  if (problem !== null) throw new WrongUse(`'${text}' ${problem}`);
  return { path: text.slice(0, equals), value };
}

/** @param path of a file; `-`: standard input @throws WrongUse */
export function jsonFile(path: string): Json {
  let text: string;
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    throw new WrongUse(`${path} cannot be read: ${(error as Error).message}`);
  }
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    throw new WrongUse(`${path} is not JSON: ${(error as Error).message}`);
  }
  const problem = jsonProblem(text);
  if (problem !== null) throw new WrongUse(`${path} ${problem}`);
  return value;
}

/** What stands on standard input, without the line end that a person or `echo` puts there. @throws WrongUse */
export function secretFromInput(path: string): string {
  const text = readFileSync(0, 'utf8').replace(/\r?\n$/, '');
  if (text !== '') return text;
  throw new WrongUse(
    `the secret for '${path}' is read from standard input, and nothing came: printf %s "$PASSWORD" | …`,
  );
}
