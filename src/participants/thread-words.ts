/** What the two ends of the calls' thread say to each other: all of one turn of an event loop at once. */
import type { SecureContextOptions } from 'node:tls';
import type { Result } from './exchange.js';
import type { Outgoing } from './sender.js';

export interface ThreadStart {
  /** Entries of the allow-list, separated by commas. */
  readonly allowed: string;
  readonly tls: SecureContextOptions | null;
}

export type Order =
  readonly ['send', id: number, ...outgoing: OutgoingWords] | readonly ['stop', id: number] | readonly ['close', null];

/** Without the names of its fields, which would be copied with each. */
export type OutgoingWords = readonly [
  url: string,
  headers: string[],
  body: string,
  timeoutMs: number,
  lateIsAlive: Outgoing['lateIsAlive'],
  /** By the monotonic clock of the machine, ms. */
  leaveBy: number,
];

/** Null stands behind the last: it may end now. */
export type Reports = readonly (Report | null)[];

export type Report = readonly [id: number, outcome: Result['outcome'], isAlive: Result['isAlive'], hasLeft: boolean];

/** What `performance.now()` of this thread lacks to the monotonic clock of the machine, which is the same in every thread, ms. */
export function machineOffsetMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6 - performance.now();
}
