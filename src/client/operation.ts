/** Which operation a method is, as the decorators of @tercet/client/nest mark it; readable without NestJS. */
import type { EndOp, FirstOp } from './fence/verdict.js';

export type GuardedOp = FirstOp | EndOp | 'deliver';

/** Key of the metadata. */
export const OPERATION = 'tercet:operation';

/** The operation that a method is marked as. */
export function operationOf(method: unknown): GuardedOp | undefined {
  if (typeof method !== 'function') return undefined;
  // It is there where decorators are.
  const { getMetadata } = Reflect as { getMetadata?: (key: string, target: object) => unknown };
  return getMetadata?.(OPERATION, method) as GuardedOp | undefined;
}
