/** What a coordinator is asked for in production, against one that is asked for nothing. */
import { register, throughCoordinator } from '../../dist/src/bench/calls.js';
import { closedLoop } from '../../dist/src/bench/load.js';
import { startCoordinator } from '../../dist/src/bench/processes.js';
import { CLOCK } from '../../dist/src/bench/rig.js';
import { takeTurns } from '../../dist/src/bench/turns.js';
import { newKey } from '../../dist/src/http/keys.js';
import { SpareDatabase } from '../../dist/src/storage/spare-database.js';

const INITIATORS = 64;
const WARM_UP_MS = 400;
const SCRAPE_MS = 1000;

/** Of two branches, by what is switched on. */
export async function extras(rig, { rounds, seconds }, surroundings, cleanUps) {
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
    const database = await SpareDatabase.beside(rig.database.url);
    cleanUps.push(() => database.drop());
    const { url, stop } = await startCoordinator(database.url, { ...process.env, ...more });
    cleanUps.push(stop);
    await register(rig.post, url, rig.participant, headers);
    if (what !== 'off') {
      const scrape = () => void fetch(`${url}/metrics`, { headers }).then((answer) => answer.text());
      const timer = setInterval(scrape, SCRAPE_MS);
      cleanUps.push(() => clearInterval(timer));
    }
    const once = () => throughCoordinator(rig.post, url, { mode: 'tcc', branches: 2 }, rig.gid(), { headers });
    contenders[what] = { once };
  }
  const span = { warmUpMs: WARM_UP_MS, forMs: seconds * 1000 };
  const kind = { name: `${INITIATORS} initiators`, load: (once) => closedLoop(INITIATORS, span, once, CLOCK) };
  const [cells] = await takeTurns([kind], contenders, rounds, surroundings);
  return cells;
}
