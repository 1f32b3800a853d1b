/** What the two ends of the calls' thread say to each other: all of one turn of an event loop at once. */
import type { SecureContextOptions } from 'node:tls';
import type { Result } from './exchange.js';
import type { Outgoing } from './sender.js';

export interface ThreadStart {
  /** Entries of the allow-list, separated by commas. */
  readonly allowed: string;
  readonly tls: SecureContextOptions | null;
  /** What was asked for longer ago is not sent: the process stood still, and another node may drive by now. */
  readonly staleMs: number;
}

export type Order =
  readonly ['send', id: number, ...outgoing: OutgoingWords] | readonly ['stop', id: number] | readonly ['close', null];

export interface Orders {
  /** By the monotonic clock of the machine, which both threads read, ms. */
  readonly at: number;
  readonly orders: readonly Order[];
}

/** Without the names of its fields, which would be copied with each. */
export type OutgoingWords = readonly [
  url: string,
  headers: string[],
  body: string,
  timeoutMs: number,
  lateIsAlive: Outgoing['lateIsAlive'],
];

/** Null stands behind the last: it may end now. */
export type Reports = readonly (Report | null)[];

export type Report = readonly [id: number, outcome: Result['outcome'], isAlive: Result['isAlive'], hasLeft: boolean];

/** The same in every thread, unlike `performance.now()`. */
export function machineMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
