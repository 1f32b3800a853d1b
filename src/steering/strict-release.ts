/**
 * A strict release, as this node takes part in it: it says whether it could take it, and tries to put it in force. Every
 * node does both until it is decided, so that no node is missed that dies meanwhile.
 */
import type { Activation } from '../config-center/activation.js';
import type { OpenRollout } from '../config-center/environment-state.js';
import type { Logger } from '../engine/ports.js';

const LOOK_MS = { first: 50, cap: 500 };

export interface StrictParts {
  readonly activation: Pick<Activation, 'acknowledge' | 'finish'>;
  /** This node among the members, another one after each time that it joined. @throws LogUnavailable while it is none */
  readonly member: () => string;
  /** Why it could not be taken; null: it can. */
  readonly prepare: (rollout: OpenRollout) => string | null;
  readonly logger: Logger;
}

export class StrictRelease {
  constructor(private readonly parts: StrictParts) {}

  /** Resolves when it is decided, or `isStopped`. Never rejects. @param wait so long, or until something has changed; never rejects */
  async takePart(rollout: OpenRollout, isStopped: () => boolean, wait: (ms: number) => Promise<void>): Promise<void> {
    const { id, release } = rollout;
    const { activation, logger } = this.parts;
    const why = this.parts.prepare(rollout);
    let acknowledged: string | null = null;
    let isFailing = false;
    for (let pauseMs = LOOK_MS.first; !isStopped(); pauseMs = Math.min(pauseMs * 2, LOOK_MS.cap)) {
      try {
        const member = this.parts.member();
        if (member !== acknowledged) {
          await activation.acknowledge(id, member, why);
          acknowledged = member;
          logger.info({ release, why }, why === null ? 'ready for a strict release' : 'a strict release is refused');
        }
        const result = await activation.finish(id);
        if (result !== 'waiting') return;
        isFailing = false;
      } catch (error) {
        if (!isFailing) logger.warn({ release, error: String(error) }, 'a strict release waits for this node');
        isFailing = true;
      }
      // In no step with the other nodes.
      await wait(pauseMs * (0.75 + Math.random() / 2));
    }
  }
}
