/** What the node goes by, as `tercet doctor` tells it. */
import type { CheckView } from '../protocol/words.js';
import type { ConfigFacts } from '../steering/config-facts.js';
import { doubtful, good, wrong } from './checks.js';

export function configCheck({ desired, applied, rejected, atNextStart, unseen }: ConfigFacts): CheckView {
  const inUse = applied === null ? 'settings alone: nothing of tercet/coordinator is in force' : `release ${applied}`;
  if (rejected !== null) {
    const detail = `release ${desired} is not taken, ${inUse} stays in use: ${rejected}`;
    return wrong('config', detail, 'roll back to a release that this version of Tercet can take');
  }
  if (unseen) {
    const detail = `${inUse}; changes are not seen since ${new Date(unseen.since).toISOString()}: ${unseen.why}`;
    return doubtful('config', detail, 'the log of this node says more');
  }
  if (atNextStart.length === 0) return good('config', inUse);
  return doubtful(
    'config',
    `${inUse}; at the next start: ${atNextStart.join(', ')}`,
    'restart this node when it suits',
  );
}
