/** `tercet tx watch`: what happens to one transaction, as it happens, until nothing more does by itself. */
import type { EventView, TimelineView, TransactionView } from '../protocol/words.js';
import { Api, REMOTE } from './api.js';
import type { Command, Given } from './command.js';
import { EXIT } from './exit.js';
import type { Exit } from './exit.js';
import { durationOf } from './moments.js';
import { print, printJson } from './terminal.js';
import { Timeline } from './timeline.js';
import { isEnded } from './transaction-words.js';
import { pathOf } from './transaction-show.js';

/** A long poll ends this early, so that what was recorded without an end is shown soon. */
const POLL_MS = 1000;
/** Beyond what the coordinator may wait. */
const ANSWER_MS = 15_000;

export const watchTransaction: Command = {
  name: 'tx watch',
  summary: 'what happens to one, until it ended or is parked',
  operands: 'GID',
  operandCount: { from: 1, to: 1 },
  options: {
    for: { value: 'DURATION', says: 'how long at most: 30s, 5m; without it, for ever' },
    ...REMOTE,
    json: { says: 'an event a line, as in the timeline of the coordinator' },
  },
  about: `It ends with 0: committed, 6: aborted, 7: parked, 8: none of these within --for.
Events appear when the coordinator has recorded them, with its next durable step.`,
  examples: [
    ['tercet tx watch order-17', 'until its end'],
    ['tercet tx watch order-17 --for 1m --json', 'a minute at most, for a script'],
  ],
  run: watch,
};

async function watch(given: Given): Promise<Exit> {
  const api = new Api(given);
  const path = pathOf(given.operands[0]);
  const limit = given.text('for');
  const until = limit === undefined ? Infinity : performance.now() + durationOf(limit, 'for');
  let tx = await api.get<TransactionView>(path, 'gid');
  const timeline = new Timeline(tx);
  const asJson = given.has('json');
  if (!asJson) print(timeline.titles());
  let shown: EventView[] = [];
  for (;;) {
    const { events } = await api.get<TimelineView>(`${path}/timeline`, 'events');
    // Pending answers in a row are one event, whose count grows.
    const fresh = events.filter((event, index) => event.count !== shown[index]?.count || index >= shown.length);
    shown = events;
    if (asJson) fresh.forEach(printJson);
    else timeline.next(fresh).forEach((line) => print(line));
    const exit = exitOf(tx);
    if (exit !== null) return exit;
    const leftMs = Math.ceil(until - performance.now());
    if (leftMs <= 0) return EXIT.stillOpen;
    const waitMs = Math.min(POLL_MS, leftMs);
    tx = await api.get<TransactionView>(path, 'gid', { wait: 'settled', waitMs: String(waitMs) }, waitMs + ANSWER_MS);
  }
}

/** Null: it goes on by itself. */
function exitOf(tx: TransactionView): Exit | null {
  if (tx.parked) return EXIT.parked;
  if (!isEnded(tx)) return null;
  return tx.status === 'committed' ? EXIT.done : EXIT.aborted;
}
