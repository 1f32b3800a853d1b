/** What a person on call may do, for one transaction or for all that a filter finds: each recorded with who and why. */
import { force, park, resume, retry } from '../domain/operator.js';
import { isEnded } from '../domain/transaction.js';
import type { Transaction } from '../domain/transaction.js';
import { TercetError } from '../protocol/errors.js';
import type { Driver } from './driver.js';
import { LogOutcomeUnknown, LogUnavailable } from './ports.js';
import type { Clock, Held, ListFilter, Member, TimelineEvent, TransactionLog } from './ports.js';
import { operatorEvent } from './timeline.js';
import type { Order } from './timeline.js';

/** How often an order begins again that met another write. */
const ATTEMPTS = 3;
/** Transactions that a bulk order is at work on at a time, so that it leaves room for others. */
const AT_A_TIME = 16;
const PAGE = 500;
/** More failures than this are not listed. */
const MAX_FAILED_LISTED = 100;

export type Action = 'retry' | 'park' | 'resume';

export interface BulkOrder extends Order {
  readonly action: Action | 'abort';
  readonly filter: Omit<ListFilter, 'limit' | 'after' | 'unfinished'>;
  /** Only counts. */
  readonly dryRun: boolean;
  /** How many at most, the newest first. */
  readonly limit: number;
}

export interface BulkDone {
  /** At most as many as the limit. */
  readonly matched: number;
  /** Whether the filter finds more than that. */
  readonly more: boolean;
  readonly done: number;
  /** The first of those that were not. */
  readonly failures: readonly { readonly gid: string; readonly error: TercetError }[];
}

export interface OperatorParts {
  readonly log: TransactionLog;
  readonly clock: Clock;
  readonly node: string;
}

type Ordered = (tx: Transaction, at: number) => { tx: Transaction; event: TimelineEvent };

export class Operator {
  constructor(
    private readonly parts: OperatorParts,
    private readonly driver: Driver,
    /** Performs a write that makes this node an owner. */
    private readonly owning: <T>(write: (member: Member) => Promise<T>) => Promise<T>,
  ) {}

  /**
   * What changes nothing (resume of what is not parked, park of what a person parked) is answered with the
   * transaction as it is, and not recorded. @throws TercetError after the end
   */
  act(gid: string, action: Action, order: Order): Promise<Transaction> {
    return this.change(gid, (tx, at) => {
      if (isEnded(tx)) throw new TercetError('TERCET_TRANSACTION_STATE', `'${gid}' has ended: ${tx.status}`);
      return { tx: changed(tx, action, at, order), event: this.event(action, order, at) };
    });
  }

  /** Takes a parked branch as done. One that was taken so before stays as it is. */
  force(gid: string, branchId: string, order: Order): Promise<Transaction> {
    return this.change(gid, (tx, at) => {
      if (!tx.branches.some((branch) => branch.branchId === branchId)) {
        throw new TercetError('TERCET_BRANCH_UNKNOWN', `'${gid}' has no branch '${branchId}'`);
      }
      const forced = force(tx, branchId);
      if (typeof forced === 'string') {
        throw new TercetError(
          'TERCET_TRANSACTION_STATE',
          `branch '${branchId}' of '${gid}' cannot be forced: ${forced}`,
        );
      }
      return { tx: forced, event: { ...this.event('force', order, at), branchId } };
    });
  }

  /** @param abort how one is aborted: by the same way as any other abort */
  async bulk(order: BulkOrder, abort: (gid: string) => Promise<unknown>): Promise<BulkDone> {
    const gids = await this.find(order);
    const more = gids.length > order.limit;
    gids.length = Math.min(gids.length, order.limit);
    const failures: { gid: string; error: TercetError }[] = [];
    let done = 0;
    let failedInARow = 0;
    const one = async (gid: string): Promise<void> => {
      try {
        await (order.action === 'abort' ? abort(gid) : this.act(gid, order.action, order));
        done += 1;
        failedInARow = 0;
      } catch (caught) {
        const error = refusalOf(caught);
        failedInARow += error === caught ? 0 : 1;
        if (failures.length < MAX_FAILED_LISTED) failures.push({ gid, error });
      }
    };
    if (!order.dryRun) {
      const left = gids.values();
      const lane = async (): Promise<void> => {
        for (const gid of left) {
          await one(gid);
          // One may be held by somebody; so many mean that the log is away.
          if (failedInARow >= AT_A_TIME) return;
        }
      };
      // Whatever goes wrong in one, the others come to their end before the answer.
      const lanes = await Promise.allSettled(Array.from({ length: AT_A_TIME }, lane));
      for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason;
    }
    return { matched: gids.length, more, done, failures };
  }

  /** One more than the limit, if there are as many. */
  private async find({ action, filter, limit }: BulkOrder): Promise<string[]> {
    const gids: string[] = [];
    const wanted: Omit<ListFilter, 'limit'> = { ...filter, unfinished: true };
    if (action === 'resume') Object.assign(wanted, { parked: true });
    if (action === 'abort') Object.assign(wanted, { status: 'open' });
    for (let after: string | null | undefined; after !== null && gids.length <= limit;) {
      const page = await this.parts.log.list({ ...wanted, limit: PAGE, ...(after ? { after } : {}) });
      gids.push(...page.items.map(({ tx }) => tx.gid));
      after = page.next;
    }
    gids.length = Math.min(gids.length, limit + 1);
    return gids;
  }

  private event(what: string, order: Order, at: number): TimelineEvent {
    return operatorEvent(what, order, at, this.parts.node);
  }

  /** Becomes the owner, writes what changed, and drives on from there. */
  private async change(gid: string, ordered: Ordered): Promise<Transaction> {
    const { log, clock } = this.parts;
    await this.driver.caughtUp(gid);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const found = await log.get(gid);
      if (!found) throw unknownTransaction(gid);
      if (ordered(found.tx, clock.now()).tx === found.tx) return found.tx;
      const taken = await this.owning((member) => log.take(member, gid));
      const written = taken && (await this.owning(() => this.write(taken, ordered)));
      if (written) return written;
    }
    throw new TercetError('TERCET_TRANSACTION_STATE', `'${gid}' keeps changing; look again`);
  }

  /** Null: somebody else wrote first. Whatever becomes of it, what this node took is driven on. */
  private async write(taken: Held, ordered: Ordered): Promise<Transaction | null> {
    const { log, clock } = this.parts;
    let next: Held | 'lost' = taken;
    try {
      const { tx, event } = ordered(taken.tx, clock.now());
      if (tx !== taken.tx) next = await log.save(taken, tx, [event]);
    } catch (error) {
      if (!(error instanceof LogOutcomeUnknown)) this.driver.drive(taken);
      throw error;
    }
    if (next !== 'lost') {
      this.driver.drive(next);
      return next.tx;
    }
    const fresh = await log.get(taken.tx.gid).catch((cause: unknown) => {
      throw new LogOutcomeUnknown('it is not known who owns it now', { cause });
    });
    if (fresh) this.driver.drive(fresh);
    return null;
  }
}

/** What kept one of many from being done. */
function refusalOf(error: unknown): TercetError {
  if (error instanceof TercetError) return error;
  if (error instanceof LogUnavailable) return new TercetError('TERCET_NOT_READY', error.message);
  if (error instanceof LogOutcomeUnknown) return new TercetError('TERCET_OUTCOME_UNKNOWN', error.message);
  throw error;
}

function changed(tx: Transaction, action: Action, at: number, { who, reason }: Order): Transaction {
  switch (action) {
    case 'retry':
      return retry(tx, at);
    case 'resume':
      return resume(tx, at);
    case 'park':
      return park(tx, at, `parked by ${who}: ${reason}`);
  }
}

export function unknownTransaction(gid: string): TercetError {
  return new TercetError('TERCET_TRANSACTION_UNKNOWN', `no transaction '${gid}' is recorded`);
}
