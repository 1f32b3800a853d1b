/** Whom a gray release is for. */
import { hash } from 'node:crypto';
import type { Selector } from '../protocol/config.js';

/** Shares are counted in hundredths of a percent. */
const SHARES = 10_000;

/** An instance as it names itself. */
export interface Candidate {
  readonly instance: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The share of an instance depends on its name alone: a wider selector finds all that a narrower one found. */
export function selects({ labels, percent }: Selector, environment: string, candidate: Candidate): boolean {
  const share = parseInt(hash('sha256', `${environment}/${candidate.instance}`, 'hex').slice(0, 8), 16) % SHARES;
  return (
    share < Math.round(percent * (SHARES / 100)) &&
    Object.entries(labels).every(
      ([name, value]) => Object.hasOwn(candidate.labels, name) && candidate.labels[name] === value,
    )
  );
}
