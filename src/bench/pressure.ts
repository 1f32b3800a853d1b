/** Past the limit: more initiators than a coordinator takes transactions from, and a participant that is slow. */
import { closedLoop } from './load.js';
import type { Work } from './calls.js';
import type { Rig } from './rig.js';
import { CLOCK } from './rig.js';
import { percentile, ratio } from './summary.js';
import { Trouble } from './trouble.js';

/** Small, so that what bounds the throughput is the limit and not the machine. */
const MAX_UNFINISHED = 60;
const PARTICIPANT_MS = 200;
/**
 * Just below the limit, and far above. Of one component there may be three quarters of the 60, and each initiator has two
 * unfinished: the one that it begins, and the one before, which was answered after its tries and still confirms.
 */
const WITHIN = 22;
const BEYOND = 300;
/** One begin takes a fifth of a second here, and who is refused waits for a whole one; a crowd that comes at once takes its time. */
const WARM_UP_MS = 3000;

export interface PressureTurn {
  readonly initiators: number;
  readonly acceptedPerSecond: number;
  readonly refusedPerSecond: number;
  /** From a begin that was taken to its answer. */
  readonly acceptedP99: number | null;
  /** From a begin that was refused to its 429. */
  readonly refusedP99: number | null;
}

export interface Pressure {
  readonly maxUnfinished: number;
  readonly participantMs: number;
  readonly within: PressureTurn;
  readonly beyond: PressureTurn;
  /** What is accepted beyond the limit, of what is accepted within. */
  readonly held: number | null;
}

/** @throws Trouble for a 429 that does not say when to come again */
export async function pastTheLimit(rig: Rig, work: Work, seconds: number, signal: AbortSignal): Promise<Pressure> {
  await rig.restart({ TERCET_MAX_UNFINISHED: String(MAX_UNFINISHED) }, PARTICIPANT_MS);
  const within = await turn(rig, work, WITHIN, seconds, signal);
  const beyond = await turn(rig, work, BEYOND, seconds, signal);
  const held = ratio(beyond.acceptedPerSecond, within.acceptedPerSecond);
  return { maxUnfinished: MAX_UNFINISHED, participantMs: PARTICIPANT_MS, within, beyond, held };
}

/** Who is refused comes again when he was told to, with the same gid. */
async function turn(
  rig: Rig,
  work: Work,
  initiators: number,
  seconds: number,
  signal: AbortSignal,
): Promise<PressureTurn> {
  const forMs = seconds * 1000;
  const from = CLOCK.now() + WARM_UP_MS;
  const until = from + forMs;
  const accepted: number[] = [];
  const refused: number[] = [];
  const once = async (): Promise<void> => {
    const gid = rig.gid();
    while (CLOCK.now() < until) {
      signal.throwIfAborted();
      const start = CLOCK.now();
      const { status, retryAfterMs } = await rig.through(work, gid, true);
      const end = CLOCK.now();
      if (end >= from && end <= until) (status === 429 ? refused : accepted).push(end - start);
      if (status !== 429) return;
      if (retryAfterMs === 0) throw new Trouble('a begin was answered 429 without Retry-After');
      await CLOCK.sleep(retryAfterMs * (1 + Math.random() / 2));
    }
  };
  await closedLoop(initiators, { warmUpMs: WARM_UP_MS, forMs }, once, CLOCK, signal);
  await rig.settled();
  return {
    initiators,
    acceptedPerSecond: accepted.length / seconds,
    refusedPerSecond: refused.length / seconds,
    acceptedP99: percentile(accepted, 0.99),
    refusedP99: percentile(refused, 0.99),
  };
}
