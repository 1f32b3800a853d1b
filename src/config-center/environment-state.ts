/** What is in force in an environment, as of one moment. */
import { selects } from '../config/selector.js';
import type { Candidate } from '../config/selector.js';
import type { Selector } from '../protocol/config.js';

/** The content of one namespace in one release, as it is stored: its secrets are sealed. */
export interface Content {
  readonly release: number;
  /** Canonical JSON. */
  readonly text: string;
  readonly checksum: string;
}

export interface OpenRollout {
  readonly id: number;
  readonly release: number;
  readonly mode: 'gray' | 'strict';
  readonly selector: Selector;
  readonly contents: ReadonlyMap<string, Content>;
  /** ms since the epoch, by the database; null: gray. */
  readonly deadlineAt: number | null;
}

export interface EnvironmentState {
  readonly environment: string;
  /** Raised by whatever changes what somebody gets. */
  readonly revision: number;
  /** Of the strict releases of the coordinators, whatever the environment. */
  readonly epoch: number;
  /** By namespace; without those of which nothing is in force. */
  readonly inForce: ReadonlyMap<string, Content>;
  readonly rollout: OpenRollout | null;
  /** Another one as soon as anything here is another. */
  readonly version: string;
}

/** What somebody gets: what is in force, and where a gray release is for him, that instead. */
export function contentsFor(
  { environment, inForce, rollout }: EnvironmentState,
  candidate: Candidate,
): ReadonlyMap<string, Content> {
  if (rollout?.mode !== 'gray' || !selects(rollout.selector, environment, candidate)) return inForce;
  return new Map([...inForce, ...rollout.contents]);
}
