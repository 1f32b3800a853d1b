/** What a coordinator is asked for in production, against one that is asked for nothing. */
import { warmUp } from '../../dist/src/bench/bench.js';
import { register, throughCoordinator } from '../../dist/src/bench/calls.js';
import { closedLoop } from '../../dist/src/bench/load.js';
import { startCoordinator } from '../../dist/src/bench/processes.js';
import { CLOCK } from '../../dist/src/bench/rig.js';
import { takeTurns } from '../../dist/src/bench/turns.js';
import { newKey } from '../../dist/src/http/keys.js';
import { SpareDatabase } from '../../dist/src/storage/spare-database.js';
import { atEnd, signal, taken } from './clean-up.js';

const INITIATORS = 64;
const WARM_UP_MS = 400;
const SCRAPE_MS = 1000;

/** Of two branches, by what is switched on. */
export async function extras(rig, { rounds, seconds }, surroundings) {
  const { key, entry } = newKey('bench', 'admin');
  const headers = { authorization: `Bearer ${key}` };
  const traces = {
    OTEL_EXPORTER_OTLP_ENDPOINT: rig.participant,
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.01',
  };
  const settings = {
    off: {},
    'keys, traces, metrics': { TERCET_KEYS: entry, ...traces },
    'and signed': { TERCET_KEYS: entry, ...traces, TERCET_SIGNING_SECRET: 'x'.repeat(32) },
  };
  const contenders = {};
  for (const [what, more] of Object.entries(settings)) {
    const database = await taken(
      () => SpareDatabase.beside(rig.database.url),
      (made) => made.drop(),
    );
    const { url } = await taken(
      () => startCoordinator(database.url, { ...process.env, ...more }),
      (coordinator) => coordinator.stop(),
    );
    await register(rig.post, url, rig.participant, headers);
    if (what !== 'off') {
      const scrape = () =>
        fetch(`${url}/metrics`, { headers })
          .then((answer) => answer.text())
          // Prometheus, too, would just come again.
          .catch(() => undefined);
      const timer = setInterval(scrape, SCRAPE_MS);
      atEnd(() => clearInterval(timer));
    }
    const once = async () => {
      const work = { mode: 'tcc', branches: 2 };
      const { wasRepeated } = await throughCoordinator(rig.post, url, work, rig.gid(), { headers, signal });
      if (wasRepeated) rig.repeated += 1;
    };
    contenders[what] = { once, settle: () => rig.settled(database) };
  }
  await warmUp(contenders, seconds, signal);
  const span = { warmUpMs: WARM_UP_MS, forMs: seconds * 1000 };
  const kind = { name: `${INITIATORS} initiators`, load: (once) => closedLoop(INITIATORS, span, once, CLOCK, signal) };
  const [cells] = await takeTurns([kind], contenders, rounds, surroundings);
  return cells;
}
