/** What a release says, for the transactions that go by it. */
import type { Transaction } from '../domain/transaction.js';
import type { DriveParts } from './drive-parts.js';

const RETRY_MS = 100;
const RETRY_CAP_MS = 2000;

/** Resolves once this node knows the release of the transaction, or has nothing to do with it any more. */
export async function learn(
  { steering, logger }: Pick<DriveParts, 'steering' | 'logger'>,
  { gid, release }: Transaction,
  isStopped: () => boolean,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  const isReady = (): boolean => isStopped() || steering.isKnown(release);
  for (let pauseMs = RETRY_MS; !isReady(); pauseMs = Math.min(pauseMs * 2, RETRY_CAP_MS)) {
    try {
      await steering.learn(release);
    } catch (error) {
      logger.warn({ gid, release, error: String(error) }, 'the release of a transaction is not known; trying again');
      await pause(pauseMs);
    }
  }
}
