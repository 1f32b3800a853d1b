/** For whoever runs the engine without a configuration center: nothing changes, and components are as they registered. */
import type { Component, InForce, Steering } from './ports.js';

const MAX_UNFINISHED = 20_000;
const TAKE_OVER_BATCH = 200;

export class Steady implements Steering {
  readonly inForce: InForce;

  constructor(maxUnfinished = MAX_UNFINISHED) {
    this.inForce = { release: null, epoch: 0, maxUnfinished, takeOverBatch: TAKE_OVER_BATCH };
  }

  async refresh(): Promise<void> {}

  isKnown(): boolean {
    return true;
  }

  async learn(): Promise<void> {}

  component(registered: Component): Component {
    return registered;
  }

  pausedBecause(): null {
    return null;
  }

  admit(): null {
    return null;
  }
}
