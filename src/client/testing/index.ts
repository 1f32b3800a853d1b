/** @tercet/client/testing: a coordinator in memory, with a clock that moves by itself, for the tests of your own saga. */
import type { TestComponents } from './components.js';
import { TestCoordinator } from './coordinator.js';
import type { TestOptions } from './coordinator.js';

export { decorated } from './components.js';
export type { OpOf, TestCall, TestComponent, TestComponents } from './components.js';
export { TestCoordinator } from './coordinator.js';
export type { QueuedMessage, TestOptions } from './coordinator.js';
export type { Effect } from './effects.js';
export type { Fault, PlannedFault } from './faults.js';
export { everyCrash } from './every-crash.js';
export type { CrashReport, CrashWorld } from './every-crash.js';
export type { CallRecord } from './participants.js';
export type { Change } from './state.js';

/** A coordinator in memory over your components. It holds nothing open: there is nothing to close. */
export function testCoordinator<C extends TestComponents>(options: TestOptions<C>): TestCoordinator<C> {
  return new TestCoordinator(options);
}
