/** A node follows what is in force, over a center that is scripted. */
import type { EnvironmentState, OpenRollout } from '../../src/config-center/environment-state.js';
import { LastGood } from '../../src/steering/last-good.js';
import { NodeConfig } from '../../src/steering/node-config.js';
import { SystemClock } from '../../src/system-clock.js';
import { until } from '../client/until.js';

const preparing = (id: number): EnvironmentState => {
  const rollout: OpenRollout = {
    ...{ id, release: id, mode: 'strict', contents: new Map(), deadlineAt: null },
    selector: { labels: {}, percent: 100 },
  };
  return { environment: 'tercet', revision: 0, epoch: 0, inForce: new Map(), rollout, version: `preparing ${id}` };
};

test('a strict release that follows another at once is taken part in at once', async () => {
  let state = preparing(1);
  const acknowledged: number[] = [];
  const stopped = new AbortController();
  const logger = { info() {}, warn() {}, error() {} };
  const config = new NodeConfig({
    states: {
      look: async () => state,
      changed: async (_environment, version, ms) => {
        const until = performance.now() + ms;
        while (state.version === version && performance.now() < until && !stopped.signal.aborted) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        return state;
      },
    },
    activation: {
      acknowledge: async (id) => void acknowledged.push(id),
      // The first is decided after a while, and the second is there by then.
      finish: async (id) => {
        if (id === 2 || state.rollout?.id === 2) return 'done';
        setTimeout(() => (state = preparing(2)), 20);
        return 'waiting';
      },
      finishOverdue: async () => undefined,
    },
    contents: { content: async () => Promise.reject(new Error('none')), ageMs: async () => null },
    lastGood: new LastGood('/nowhere', 'none'),
    report: async () => undefined,
    member: () => 'north-1',
    settings: {},
    node: 'north',
    labels: {},
    leaseMs: 2000,
    clock: new SystemClock(() => 0),
    logger,
  });
  await config.start();
  config.follow();
  const from = performance.now();
  await until('the second is acknowledged', async () => acknowledged.includes(2));
  expect(performance.now() - from).toBeLessThan(3000);
  stopped.abort();
  await config.stop();
});
