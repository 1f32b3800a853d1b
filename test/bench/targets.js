/** What the measured ratios were to be, and what they are. */
import { percent, times } from './words.js';

/** The least share of the bare calls: [branches, initiators, share]. */
const TCC = [
  [2, 64, 0.5],
  [3, 64, 0.5],
  [2, 16, 0.35],
  [3, 16, 0.35],
];
const SAGA = [3, 64, 0.4];
const P99_TIMES_BARE = 4;
/** Where throughput may not fall; what a machine drifts by from turn to turn aside. */
const GROWTH = [16, 64, 256, 1024];
const DRIFT = 0.05;
const HELD = 0.9;

/** A line for each target whose numbers this run has. */
export function targets({ tcc, sagas, fixedRate, pastTheLimit, end }) {
  const lines = [];
  const note = (what, reached, is, target) =>
    lines.push(`${what}: ${reached} (target ${target})${is ? '' : ', missed'}`);
  const at = (branches, initiators) => tcc[branches]?.find((point) => point.initiators === initiators);
  for (const [branches, initiators, share] of TCC) {
    const point = at(branches, initiators);
    if (!point) continue;
    const what = `TCC, ${branches} branches, ${initiators} initiators`;
    note(what, `${percent(point.ofBare)} of the bare calls`, point.ofBare >= share, percent(share));
  }
  const [branches, initiators, share] = SAGA;
  const { ofBare } = sagas[branches];
  const saga = `sagas of ${branches} branches, ${initiators} initiators`;
  note(saga, `${percent(ofBare)} of the bare calls in order`, ofBare >= share, percent(share));
  const points = GROWTH.map((count) => at(2, count)).filter(Boolean);
  if (points.length > 1) {
    const speeds = points.map(({ tercet }) => tercet.perSecond);
    // Of the most that fewer initiators reached.
    const worst = Math.min(...speeds.slice(1).map((speed, index) => speed / Math.max(...speeds.slice(0, index + 1))));
    const text = `${speeds.map((speed) => speed.toFixed(0)).join(', ')}/s, at worst ${percent(worst)} of what fewer reach`;
    note(
      `TCC from ${points[0].initiators} to ${points.at(-1).initiators} initiators`,
      text,
      worst >= 1 - DRIFT,
      'never falls',
    );
  }
  const { p99TimesBare, perSecond } = fixedRate;
  const rate = `p99 at half load, ${perSecond} TCC a second`;
  note(
    rate,
    `${times(p99TimesBare)} times that of the bare calls`,
    p99TimesBare < P99_TIMES_BARE,
    `under ${P99_TIMES_BARE}`,
  );
  const { within, beyond, held } = pastTheLimit;
  const pressed = `past the limit, ${beyond.initiators} initiators`;
  const refused = `${percent(held)} of what ${within.initiators} get is accepted, ${beyond.refusedPerSecond.toFixed(0)}/s answered 429`;
  note(pressed, refused, held >= HELD, percent(HELD));
  note(
    'unfinished at the end',
    `${end.unfinished} of ${end.accepted}`,
    end.unfinished === 0 && end.committed === end.accepted,
    '0',
  );
  return lines;
}
