/** Rollouts and states of releases in a few words. */
import type { ReleaseSummary, RolloutView, Selector } from '../protocol/config.js';
import type { Cell } from './table.js';

const COLOURS = { 'in force': 'green', pending: 'yellow', 'taken back': 'red' } as const;

export function stateCell(state: ReleaseSummary['state']): Cell {
  return state === 'replaced' ? state : [state, COLOURS[state]];
}

/** `8 gray, running, for zone=a, 10 %` */
export function rolloutText({ release, mode, state, selector }: RolloutView): string {
  return `${release} ${mode}, ${state}${selector ? `, for ${selectorText(selector)}` : ''}`;
}

export function selectorText({ labels, percent }: Selector): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return [...pairs, `${percent} %`].join(', ');
}
