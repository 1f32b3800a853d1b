/**
 * Which buckets this relay has. Relays that live share them fairly; one that dies loses its buckets when its lease is
 * over, by the clock of the database. The relay itself trusts its lease only up to a margin before the end, on its
 * own monotonic clock, counted from before the renewal was sent.
 */
import { BUCKETS } from './message.js';
import type { Clock } from '../platform/surroundings.js';
import type { OutboxTables } from './schema.js';
import type { Session, Statement } from './session.js';

/** Part of the lease that is never used: clocks of two machines do not run at quite the same speed. */
const MARGIN_SHARE = 0.1;
/** Those that stopped without a word are forgotten after so many leases. */
const FORGOTTEN_AFTER = 10;

/** The tables are not those of an outbox that this relay can read. */
export class OutboxUnfit extends Error {
  override readonly name = 'OutboxUnfit';
}

/** The buckets held, each with the epoch in which it was got. */
export type Epochs = ReadonlyMap<number, number>;

interface Beat {
  readonly others: string[] | null;
  /** Bucket and epoch. */
  readonly held: [number, number][] | null;
  readonly buckets: number;
}

export interface LeaseParts {
  readonly session: Session;
  readonly tables: OutboxTables;
  /** Of this relay, never used again. */
  readonly id: string;
  readonly leaseMs: number;
  readonly clock: Clock;
}

export class Leases {
  private held: Epochs = new Map();
  private leaving = new Set<number>();
  private validUntil = -Infinity;
  private isFair = false;
  private cached: Epochs = new Map();
  private readonly statements: ReturnType<typeof statementsOf>;

  constructor(private readonly parts: LeaseParts) {
    this.statements = statementsOf(parts.tables);
  }

  /** The buckets to read from. */
  get usable(): Epochs {
    return this.isValid() ? this.cached : new Map();
  }

  /** It has, or will get with the next rounds, as many as it should. */
  get isSettled(): boolean {
    return this.isFair && this.leaving.size === 0;
  }

  /** Those of which nothing may be sent that was read then. */
  lostOf(epochs: Epochs): ReadonlySet<number> {
    const isValid = this.isValid();
    const lost = new Set<number>();
    for (const [bucket, epoch] of epochs) if (!isValid || this.held.get(bucket) !== epoch) lost.add(bucket);
    return lost;
  }

  /** Somebody else has them. */
  lose(buckets: readonly number[]): void {
    this.hold(new Map([...this.held].filter(([bucket]) => !buckets.includes(bucket))));
  }

  /**
   * Renews the lease, takes what is free up to the fair share, and gives back what is too much once nobody has rows of
   * it in hand.
   */
  async round(isInHand: (bucket: number) => boolean): Promise<void> {
    const { session, id, leaseMs, clock } = this.parts;
    const sentAt = clock.monotonic();
    const [beat] = await session.query<Beat>(this.statements.beat, [id, leaseMs]);
    if (beat?.buckets !== BUCKETS) {
      throw new OutboxUnfit(`the outbox has ${beat?.buckets} buckets, and not ${BUCKETS}; install it anew`);
    }
    this.hold(new Map(beat.held));
    this.validUntil = sentAt + leaseMs * (1 - MARGIN_SHARE);
    const share = shareOf(id, beat.others ?? []);
    this.choose(this.held.size - share);
    const lacking = share - this.held.size;
    if (lacking > 0) await this.take(lacking);
    this.isFair = this.held.size >= share;
    await this.giveBack([...this.leaving].filter((bucket) => !isInHand(bucket)));
  }

  /** Everything at once, for others to go on. */
  async leave(): Promise<void> {
    this.validUntil = -Infinity;
    await this.parts.session.query(this.statements.leave, [this.parts.id]);
    this.hold(new Map());
  }

  private isValid(): boolean {
    return this.parts.clock.monotonic() < this.validUntil;
  }

  /** So many leave; what leaves already does so first. */
  private choose(excess: number): void {
    const order = [...this.leaving, ...[...this.held.keys()].reverse()].filter((bucket) => this.held.has(bucket));
    this.leaving = new Set([...new Set(order)].slice(0, Math.max(0, excess)));
    this.hold(this.held);
  }

  private async take(count: number): Promise<void> {
    const { session, id, leaseMs } = this.parts;
    const taken = await session.query<{ bucket: number; epoch: string }>(this.statements.take, [id, leaseMs, count]);
    this.hold(new Map([...this.held, ...taken.map((row) => [row.bucket, Number(row.epoch)] as const)]));
  }

  private async giveBack(buckets: readonly number[]): Promise<void> {
    if (buckets.length === 0) return;
    // Not used from before it is free.
    this.lose(buckets);
    await this.parts.session.query(this.statements.giveBack, [this.parts.id, buckets]);
  }

  private hold(held: Epochs): void {
    this.held = held;
    this.leaving = new Set([...this.leaving].filter((bucket) => held.has(bucket)));
    this.cached = new Map([...held].filter(([bucket]) => !this.leaving.has(bucket)));
  }
}

/** What does not divide goes to the first ones. */
function shareOf(id: string, others: readonly string[]): number {
  const place = others.filter((other) => other < id).length;
  const relays = others.length + 1;
  return Math.floor(BUCKETS / relays) + (place < BUCKETS % relays ? 1 : 0);
}

const until = `now() + $2 * interval '1 ms'`;

/** $1 relay, $2 lease in ms, $3 how many, or which. */
function statementsOf({ lease, relay }: OutboxTables): Record<'beat' | 'take' | 'giveBack' | 'leave', Statement> {
  return {
    beat: {
      name: 'tercet-beat',
      text: `
        WITH living AS (
          INSERT INTO ${relay} (id, until) VALUES ($1, ${until}) ON CONFLICT (id) DO UPDATE SET until = excluded.until
        ), forgotten AS (
          DELETE FROM ${relay} WHERE id <> $1 AND until < now() - ${FORGOTTEN_AFTER} * $2 * interval '1 ms'
        ), held AS (
          UPDATE ${lease} SET until = ${until} WHERE owner = $1 RETURNING bucket, epoch
        )
        SELECT (SELECT array_agg(id) FROM ${relay} WHERE until > now() AND id <> $1) AS others,
               (SELECT json_agg(json_build_array(bucket, epoch) ORDER BY bucket) FROM held) AS held,
               (SELECT count(*)::int FROM ${lease}) AS buckets`,
    },
    take: {
      name: 'tercet-take',
      text: `
        WITH free AS (
          SELECT bucket FROM ${lease} WHERE owner IS NULL OR until <= now()
           ORDER BY bucket LIMIT $3 FOR UPDATE SKIP LOCKED
        )
        UPDATE ${lease} l SET owner = $1, epoch = epoch + 1, until = ${until} FROM free WHERE l.bucket = free.bucket
        RETURNING l.bucket, l.epoch`,
    },
    giveBack: {
      name: 'tercet-give-back',
      text: `UPDATE ${lease} SET owner = NULL, until = NULL WHERE owner = $1 AND bucket = ANY ($2::smallint[])`,
    },
    leave: {
      name: 'tercet-leave',
      text: `
        WITH gone AS (DELETE FROM ${relay} WHERE id = $1)
        UPDATE ${lease} SET owner = NULL, until = NULL WHERE owner = $1`,
    },
  };
}
