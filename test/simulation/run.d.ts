import type { Mutant } from './mutants.js';

export function simulate(options: {
  seed: number;
  schedules: number;
  workers?: number;
  isTraced?: boolean;
  edits?: Mutant[];
}): Promise<{
  schedules: number;
  events: number;
  committed: number;
  aborted: number;
  sagasCommitted: number;
  sagasAborted: number;
  messagesCommitted: number;
  messagesAborted: number;
  violation: { seed: number; violations: string[] } | null;
}>;
