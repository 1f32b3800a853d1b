/** Sagas as somebody may ask for them, drawn at random: in order or as graphs, with all that can be said of a branch. */
import type { NewBranch } from '../../src/engine/begin.js';
import type { Recovery } from '../../src/protocol/words.js';
import type { Chance } from './world.js';

/** What a payload takes from an earlier reply; see services.ts for what replies hold. */
export interface AskedReference {
  readonly branchId: string;
  readonly pointer: string;
}

export interface AskedBranch {
  readonly branchId: string;
  /** What must be done before it, as the graph says. */
  readonly after: readonly string[];
  readonly isUndone: boolean;
  readonly isPivot: boolean;
  readonly references: readonly AskedReference[];
}

export interface AskedSaga {
  readonly recovery: Recovery;
  readonly parallel: number;
  readonly deadlineMs: number | null;
  readonly branches: ReadonlyMap<string, AskedBranch>;
  /** The same in the words of the engine. */
  readonly asked: readonly NewBranch[];
}

/** The last one is in no reply. */
const POINTERS = ['', '/id', '/list/0', '/list/1/a~1b', '/none'];

export function randomSaga(chance: Chance): AskedSaga {
  const count = chance.happens(0.15) ? chance.between(4, 7) : chance.between(1, 4);
  // As most are: all of it can be undone, in the order that is known from the begin.
  const isPlain = chance.happens(0.4);
  const recovery = !isPlain && chance.happens(0.2) ? 'forward' : 'backward';
  const isInOrder = chance.happens(0.5);
  const pivot = !isPlain && recovery === 'backward' && chance.happens(0.4) ? chance.between(0, count - 1) : -1;
  /** How likely a branch of a graph comes after another. */
  const density = chance.happens(0.5) ? 0.2 : 0.5;
  const branches: AskedBranch[] = [];
  const ancestors = new Map<string, ReadonlySet<string>>();
  for (let index = 0; index < count; index += 1) {
    const branchId = `b${index}`;
    const after = isInOrder
      ? branches.slice(-1).map(({ branchId: last }) => last)
      : branches.filter(() => chance.happens(density)).map(({ branchId: name }) => name);
    const before = new Set(after.flatMap((name) => [name, ...(ancestors.get(name) ?? [])]));
    ancestors.set(branchId, before);
    branches.push({
      branchId,
      after,
      isUndone: isPlain || chance.happens(0.8),
      isPivot: index === pivot,
      references: isPlain ? [] : referencesTo(chance, [...before]),
    });
  }
  const asked = branches.map((branch) => askedOf(chance, branch, isInOrder, recovery));
  return {
    recovery,
    parallel: chance.happens(0.5) ? 100 : chance.between(1, 3),
    deadlineMs: chance.happens(0.7) ? null : chance.between(1, chance.happens(0.5) ? 300 : 6000),
    branches: new Map(branches.map((branch) => [branch.branchId, branch])),
    // A graph may be listed in any order.
    asked: isInOrder ? asked : shuffled(chance, asked),
  };
}

function referencesTo(chance: Chance, before: readonly string[]): AskedReference[] {
  if (before.length === 0 || chance.happens(0.4)) return [];
  return Array.from({ length: chance.between(1, 2) }, () => ({
    branchId: before[chance.between(0, before.length - 1)] ?? '',
    pointer: POINTERS[chance.between(0, POINTERS.length - (chance.happens(0.1) ? 1 : 2))] ?? '',
  }));
}

function askedOf(chance: Chance, branch: AskedBranch, isInOrder: boolean, recovery: Recovery): NewBranch {
  const { branchId, after, isUndone, isPivot, references } = branch;
  const values = references.map(({ branchId: of, pointer }) =>
    JSON.stringify({ $reply: pointer === '' ? of : `${of}#${pointer}` }),
  );
  return {
    branchId,
    component: ['a', 'b', 'c'][chance.between(0, 2)] ?? 'a',
    payload: payloadWith(values),
    ...(isInOrder ? {} : { after }),
    ...(isUndone ? {} : { compensate: false }),
    ...(isPivot ? { pivot: true } : {}),
    ...(chance.happens(0.1) ? { timeoutMs: chance.between(20, 400) } : {}),
    ...(chance.happens(0.1) ? { deadlineMs: chance.between(1, 1500) } : {}),
    ...(chance.happens(0.1) ? { retry: { tryAttempts: chance.between(1, 5), maxAttempts: chance.between(1, 5) } } : {}),
    ...(isUndone && recovery === 'backward' && chance.happens(0.1)
      ? { compensateRetry: { maxAttempts: chance.between(1, 5) } }
      : {}),
  };
}

/** A payload with these values in it, JSON texts. */
export function payloadWith(values: readonly string[]): string {
  return `{"amount":1,"from":[${values.join(',')}]}`;
}

function shuffled<T>(chance: Chance, items: readonly T[]): T[] {
  const mixed: T[] = [];
  for (const item of items) mixed.splice(chance.between(0, mixed.length), 0, item);
  return mixed;
}
