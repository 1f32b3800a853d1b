/** How late the event loop of this process comes round to what is due. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { IntervalHistogram } from 'node:perf_hooks';

/** Each tick costs an idle process its CPU: at 20 ms a fifth of all that it uses. A pause as long as this is never missed. */
const RESOLUTION_MS = 50;
/** A reading covers the time since the one before, and stands for so long, whoever asks in between. */
const READING_MS = 5000;

export interface Delay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export class EventLoop {
  private readonly histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  private reading: Delay = { p50: 0, p99: 0, max: 0 };
  private readAt = -Infinity;

  constructor() {
    this.histogram.enable();
  }

  /** In seconds. */
  get delay(): Delay {
    const now = performance.now();
    if (now - this.readAt >= READING_MS) {
      const { histogram } = this;
      this.reading = {
        p50: seconds(histogram.percentile(50)),
        p99: seconds(histogram.percentile(99)),
        max: seconds(histogram.max),
      };
      histogram.reset();
      this.readAt = now;
    }
    return this.reading;
  }

  /** How long it has been busy in all, in seconds. */
  get busyS(): number {
    return performance.eventLoopUtilization().active / 1000;
  }

  stop(): void {
    this.histogram.disable();
  }
}

/** Node counts from tick to tick, so that the pause between two ticks is in it. */
function seconds(ns: number): number {
  return Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000);
}
