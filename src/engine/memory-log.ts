/** The transaction log in memory: what PostgreSQL does, without PostgreSQL. Every call takes effect at once, whole. */
import { decidedBy } from '../domain/machine.js';
import { isEnded, takesBranches } from '../domain/transaction.js';
import type { Branch, Transaction } from '../domain/transaction.js';
import { EpochOver, MemberDead } from './ports.js';
import type { Held, ListFilter, Member, TimelineEvent, TransactionLog } from './ports.js';
import type { Decision, Reason } from '../protocol/words.js';
import { LIMITS } from '../protocol/words.js';

export interface Row {
  held: Held;
  contentHash: string;
  events: TimelineEvent[];
}

export class MemoryLog implements TransactionLog {
  readonly rows = new Map<string, Row>();
  readonly members = new Map<string, { until: number; dead: boolean; node: string }>();
  /** Of the configuration, as it is in force. */
  epoch = 0;
  private starts = 0;

  constructor(private readonly clock: { now(): number }) {}

  async insert(member: Member, tx: Transaction, contentHash: string, events: readonly TimelineEvent[] = [], epoch = 0) {
    this.demandAlive(member);
    const there = this.rows.get(tx.gid);
    // As the flush does: who repeats a begin after a switch looks what is in force first.
    if (epoch !== this.epoch) throw new EpochOver(`epoch ${epoch} of the configuration is over`);
    if (there) return { inserted: false, held: there.held, sameContent: there.contentHash === contentHash };
    const held: Held = { tx, owner: member.id, epoch: 1, version: 1 };
    const begun: TimelineEvent = { at: tx.beganAt, node: member.node, kind: 'begun' };
    this.rows.set(tx.gid, { held, contentHash, events: [begun, ...events] });
    return { inserted: true, held, sameContent: true };
  }

  async save(held: Held, tx: Transaction, events: readonly TimelineEvent[]) {
    const row = this.rows.get(tx.gid);
    if (!row || isEnded(row.held.tx)) return 'lost' as const;
    if (row.held.owner !== held.owner || row.held.epoch !== held.epoch || row.held.version !== held.version) {
      return 'lost' as const;
    }
    return this.write(row, { ...held, tx, version: held.version + 1 }, events);
  }

  async decide(
    member: Member,
    { gid }: Transaction,
    decision: Decision,
    reason: Reason | null,
    at: number,
    events: readonly TimelineEvent[],
  ) {
    const row = this.rows.get(gid);
    if (!row) return null;
    if (row.held.tx.status !== 'open') return { decided: false, held: row.held };
    this.demandAlive(member);
    const tx = decidedBy(row.held.tx, decision, reason, at);
    return { decided: true, held: this.write(row, this.ownedBy(row.held, member, tx), events) };
  }

  async take(member: Member, gid: string) {
    const row = this.rows.get(gid);
    if (!row || isEnded(row.held.tx)) return null;
    this.demandAlive(member);
    return this.write(row, this.ownedBy(row.held, member, row.held.tx), []);
  }

  async register(gid: string, branch: Branch) {
    const row = this.rows.get(gid);
    if (!row) return null;
    const { tx } = row.held;
    const there = tx.branches.find((candidate) => candidate.branchId === branch.branchId);
    if (takesBranches(tx) && there) {
      const isSame = there.component === branch.component && there.payload === branch.payload;
      return { result: isSame ? ('exists' as const) : ('conflict' as const), held: row.held };
    }
    if (tx.status !== 'open' || !takesBranches(tx)) return { result: 'closed' as const, held: row.held };
    if (tx.branches.length >= LIMITS.branches) return { result: 'full' as const, held: row.held };
    const grown = { ...tx, branches: [...tx.branches, branch] };
    const held = this.write(row, { ...row.held, tx: grown, version: row.held.version + 1 }, []);
    return { result: 'registered' as const, held };
  }

  async get(gid: string) {
    return this.rows.get(gid)?.held ?? null;
  }

  async list(filter: ListFilter) {
    const cursor = filter.after === undefined ? null : (JSON.parse(filter.after) as [number, string]);
    const found = [...this.rows.values()]
      .map((row) => row.held)
      .filter(({ tx }) => matches(tx, filter) && (cursor === null || isBefore(tx, cursor)))
      .sort((a, b) => (isBefore(b.tx, [a.tx.beganAt, a.tx.gid]) ? -1 : 1));
    const items = found.slice(0, filter.limit);
    const last = found.length > items.length ? items.at(-1)?.tx : undefined;
    return { items, next: last ? JSON.stringify([last.beganAt, last.gid]) : null };
  }

  async timeline(gid: string) {
    return this.rows.get(gid)?.events.slice() ?? null;
  }

  async contentHash(gid: string) {
    return this.rows.get(gid)?.contentHash ?? null;
  }

  async join(node: string, leaseMs: number): Promise<Member> {
    this.starts += 1;
    const id = `${node}-${this.starts}`;
    this.members.set(id, { until: this.clock.now() + leaseMs, dead: false, node });
    return { id, node };
  }

  async renew(member: Member, leaseMs: number) {
    const row = this.members.get(member.id);
    if (!row || row.dead) return false;
    row.until = this.clock.now() + leaseMs;
    return true;
  }

  async leave(member: Member) {
    const row = this.members.get(member.id);
    if (row) row.dead = true;
  }

  async takeOver(member: Member, limit: number) {
    const now = this.clock.now();
    for (const [id, row] of this.members) if (id !== member.id && row.until < now) row.dead = true;
    this.demandAlive(member);
    const unfinished = [...this.rows.values()].filter(({ held }) => !isEnded(held.tx));
    const owners = new Set(unfinished.map(({ held }) => held.owner));
    for (const [id, row] of this.members) if (row.dead && !owners.has(id)) this.members.delete(id);
    return unfinished
      .filter(({ held }) => this.members.get(held.owner)?.dead === true)
      .sort((a, b) => a.held.tx.beganAt - b.held.tx.beganAt)
      .slice(0, limit)
      .map((row) => this.write(row, this.ownedBy(row.held, member, row.held.tx), []));
  }

  async owned(member: Member) {
    const mine = [...this.rows.values()].filter(({ held }) => held.owner === member.id && !isEnded(held.tx));
    return new Map(mine.map(({ held }) => [held.tx.gid, held.version]));
  }

  private demandAlive(member: Member): void {
    if (this.members.get(member.id)?.dead !== false) throw new MemberDead(`${member.id} was declared dead`);
  }

  private ownedBy(held: Held, member: Member, tx: Transaction): Held {
    return { tx, owner: member.id, epoch: held.epoch + 1, version: held.version + 1 };
  }

  protected write(row: Row, held: Held, events: readonly TimelineEvent[]): Held {
    row.held = held;
    row.events.push(...events);
    return held;
  }
}

function matches(tx: Transaction, filter: ListFilter): boolean {
  return (
    (filter.status === undefined || tx.status === filter.status) &&
    (filter.mode === undefined || tx.mode === filter.mode) &&
    (filter.component === undefined || tx.branches.some((branch) => branch.component === filter.component)) &&
    (filter.businessKey === undefined || tx.businessKey === filter.businessKey) &&
    (filter.parked === undefined || (tx.parked !== null) === filter.parked) &&
    (filter.unfinished === undefined || isEnded(tx) !== filter.unfinished) &&
    (filter.from === undefined || tx.beganAt >= filter.from) &&
    (filter.to === undefined || tx.beganAt <= filter.to)
  );
}

function isBefore(tx: Transaction, [beganAt, gid]: [number, string]): boolean {
  return tx.beganAt < beganAt || (tx.beganAt === beganAt && tx.gid < gid);
}
