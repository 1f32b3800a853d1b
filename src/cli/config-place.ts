/** `production/orders`: an environment of the configuration, and a namespace in it. */
import { ENVIRONMENT_NAME, NAMESPACE_NAME } from '../protocol/config.js';
import type { Command, Given } from './command.js';
import { WrongUse } from './exit.js';

export const ENV: Pick<Command, 'operands' | 'operandCount'> = { operands: 'ENV', operandCount: { from: 1, to: 1 } };
export const PLACE: Pick<Command, 'operands' | 'operandCount'> = {
  operands: 'ENV/NAMESPACE',
  operandCount: { from: 1, to: 1 },
};

export interface Place {
  readonly environment: string;
  readonly namespace: string;
}

/** @throws WrongUse */
export function environmentOf(given: Given): string {
  return environment(given.operands[0] ?? '');
}

/** @throws WrongUse */
export function placeOf(given: Given): Place {
  const place = placeOrEnvironment(given);
  if (place.namespace !== undefined) return { environment: place.environment, namespace: place.namespace };
  throw new WrongUse(`'${place.environment}' is an environment; name a namespace too: ${place.environment}/NAMESPACE`);
}

/** @throws WrongUse */
export function placeOrEnvironment(given: Given): { environment: string; namespace?: string } {
  const text = given.operands[0] ?? '';
  const slash = text.indexOf('/');
  if (slash < 0) return { environment: environment(text) };
  return { environment: environment(text.slice(0, slash)), namespace: namespaceName(text.slice(slash + 1)) };
}

/** @throws WrongUse */
export function namespaceName(text: string): string {
  if (NAMESPACE_NAME.test(text)) return text;
  throw new WrongUse(`'${text}' is no name of a namespace: a-z 0-9 . -, at most 64, as in production/orders`);
}

/** @throws WrongUse */
export function numberOf(text: string, what: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new WrongUse(`'${text}' is no ${what}; it must be a whole number, such as 17`);
}

export const environmentPath = (name: string): string => `/v1/config/${name}`;
export const placePath = ({ environment: env, namespace }: Place): string =>
  `/v1/config/${env}/namespaces/${namespace}`;

function environment(text: string): string {
  if (ENVIRONMENT_NAME.test(text)) return text;
  throw new WrongUse(`'${text}' is no name of an environment: a-z 0-9 -, at most 48, as in production`);
}
