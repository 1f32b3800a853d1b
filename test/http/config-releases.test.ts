/** What who releases is told when the database goes away in between. */
import type { FastifyReply } from 'fastify';
import type { ConfigCenter } from '../../src/config-center/center.js';
import { LogOutcomeUnknown, LogUnavailable } from '../../src/engine/ports.js';
import type { Caller } from '../../src/http/caller.js';
import { ConfigReleasesController } from '../../src/http/config-releases.controller.js';
import { RolloutWatch } from '../../src/http/rollout-watch.js';
import type { ReleaseView } from '../../src/protocol/config.js';
import { SystemClock } from '../../src/system-clock.js';

const strict = { release: 7, mode: 'strict' } as ReleaseView;
const reply = { status: () => undefined, header: () => undefined, raw: { once: () => undefined } };
const gone = (): Promise<never> => Promise.reject(new LogUnavailable('the database is gone'));

test.each([
  ['while its end is waited for', gone, () => Promise.resolve(strict)],
  ['when its end is shown', () => Promise.resolve(null), gone],
])('a strict release that was made is never told as nothing done: the database goes %s', async (_when, look, view) => {
  const center = { release: async () => ({ view: strict, rollout: 1 }), releaseOf: view };
  const watch = new RolloutWatch({ look, changed: gone }, new SystemClock(() => 0));
  const controller = new ConfigReleasesController(center as unknown as ConfigCenter, watch);
  const body = { mode: 'strict', reason: 'because' };
  const caller = { name: 'rob' } as Caller;
  const released = controller.release('tercet', body, {}, reply as unknown as FastifyReply, caller);
  await expect(released).rejects.toThrow(LogOutcomeUnknown);
});
