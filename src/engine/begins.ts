/** How a transaction comes to be: under what is in force, once for each gid (G11). */
import { uuidv7 } from 'uuidv7';
import { TercetError } from '../protocol/errors.js';
import { passedOn } from '../protocol/trace.js';
import { accept, openTransaction } from './begin.js';
import type { Accepted, BeginRequest } from './begin.js';
import type { CoordinatorParts } from './coordinator.js';
import type { Driver } from './driver.js';
import { EpochOver, LogUnavailable } from './ports.js';
import type { Held, InForce, Member, Steering, TransactionLog } from './ports.js';
import { decidedEvent } from './timeline.js';

/** Gids made for one begin, each of which somebody had used as one of his own. */
const MAX_MADE = 5;
/** Switches of what is in force that one begin goes through. */
const MAX_EPOCHS = 5;

type Inserted = Awaited<ReturnType<TransactionLog['insert']>>;

interface Around {
  readonly driver: Driver;
  readonly steering: Steering;
  /** Why the node can take no requests now; empty when it can. */
  problems(): string[];
}

export class Begins {
  /** @param owning does a write that makes this node an owner */
  constructor(
    private readonly parts: CoordinatorParts,
    private readonly around: Around,
    private readonly owning: <T>(write: (member: Member) => Promise<T>) => Promise<T>,
  ) {}

  /** The new transaction, recorded and not driven yet, or the one that is recorded under its gid. @throws as Coordinator.begin does */
  async make(request: BeginRequest): Promise<Pick<Inserted, 'inserted' | 'held'>> {
    const answer = await this.recorded(request);
    if (answer instanceof Error) {
      const held = request.gid === null ? null : await this.known(request.gid, request.contentHash);
      if (!held) throw answer;
      return { inserted: false, held };
    }
    if (!answer.sameContent) throw contentConflict(answer.held.tx.gid);
    return answer;
  }

  /** The new transaction under what is in force, whatever comes into force meanwhile; or why it cannot be begun. */
  private async recorded(request: BeginRequest): Promise<Inserted | Error> {
    const refused = this.refusal(request);
    if (refused) return refused;
    const recorded = this.around.driver.expect();
    try {
      return await this.underWhatIsInForce(request);
    } finally {
      recorded();
    }
  }

  private async underWhatIsInForce(request: BeginRequest): Promise<Inserted | Error> {
    for (let epochs = 1; ; epochs += 1) {
      const { inForce } = this.around.steering;
      const accepted = await this.accepted(request, inForce.release);
      if (accepted instanceof Error) return accepted;
      try {
        return await this.insert(request, accepted, inForce);
      } catch (error) {
        if (!(error instanceof EpochOver)) throw error;
        if (epochs >= MAX_EPOCHS) throw new LogUnavailable('the configuration changes all the time', { cause: error });
        await this.around.steering.refresh();
      }
    }
  }

  /**
   * A gid that was made here and is there already is one that somebody chose for himself: then another one is made. A write
   * of which it is not known what became rejects, so that nothing is begun under two gids.
   */
  private async insert(
    request: BeginRequest,
    accepted: Accepted,
    { release, epoch }: InForce,
  ): ReturnType<TransactionLog['insert']> {
    const { makeGid, node, log, traceOf = ({ traceparent }: BeginRequest) => passedOn(traceparent) } = this.parts;
    const trace = traceOf(request);
    for (let made = 1; made <= MAX_MADE; made += 1) {
      const gid = request.gid ?? (makeGid ? await makeGid() : uuidv7());
      const tx = openTransaction(gid, request, { ...accepted, trace, release }, this.parts.clock.now());
      // Forward recovery is a decision: nothing that fails takes it back.
      const events = tx.decision === null ? [] : [decidedEvent(tx, tx.beganAt, node)];
      const answer = await this.owning((member) => log.insert(member, tx, request.contentHash, events, epoch));
      if (answer.inserted || request.gid !== null) return answer;
    }
    const detail = `${MAX_MADE} gids that were made here were all in use; nothing was begun: begin again, or with a gid of your own`;
    throw new TercetError('TERCET_ID_UNSAFE', detail);
  }

  /** Why this node begins nothing now, or nothing like this; null: it does. */
  private refusal(request: BeginRequest): Error | null {
    if (this.around.problems().length > 0) return new LogUnavailable(this.around.problems().join('; '));
    const tooMany = this.around.driver.tooMany(request.branches, this.around.steering.inForce.maxUnfinished);
    if (tooMany !== null) {
      const detail = `${tooMany} are unfinished on this node; begin again a little later, with the same gid`;
      return new TercetError('TERCET_TRANSACTIONS_TOO_MANY', detail);
    }
    const waitMs = this.around.steering.admit();
    if (waitMs === null) return null;
    const detail = `this node begins no more now by limits.beginsPerSecond; begin again in ${waitMs} ms, with the same gid`;
    return new TercetError('TERCET_BEGINS_TOO_FAST', detail, undefined, { retryAfterMs: waitMs });
  }

  /** What the request says, or why it cannot be begun. */
  private async accepted(request: BeginRequest, release: number | null): Promise<Accepted | Error> {
    const { components, isKafkaOn = false } = this.parts;
    try {
      return await accept(request, components, isKafkaOn, (component) =>
        this.around.steering.component(component, release),
      );
    } catch (error) {
      if (error instanceof TercetError) return error;
      throw error;
    }
  }

  private async known(gid: string, contentHash: string): Promise<Held | null> {
    const recorded = await this.parts.log.contentHash(gid);
    if (recorded === null) return null;
    if (recorded !== contentHash) throw contentConflict(gid);
    return this.parts.log.get(gid);
  }
}

function contentConflict(gid: string): TercetError {
  return new TercetError(
    'TERCET_GID_CONFLICT',
    `'${gid}' was begun with other content; repeat the first request unchanged, or use a gid of its own`,
  );
}
