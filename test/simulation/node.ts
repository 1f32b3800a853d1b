/** A coordinator in a schedule: the production engine, with a log and a network that lose, delay and repeat. */
import { isEnded } from '../../src/domain/transaction.js';
import type { Outcome } from '../../src/domain/transaction.js';
import { Coordinator } from '../../src/engine/coordinator.js';
import { LogOutcomeUnknown, LogUnavailable } from '../../src/engine/ports.js';
import type { CallRequest, Component, Member, Participants, TransactionLog } from '../../src/engine/ports.js';
import { CHECK } from './message.js';
import type { MessageWatch } from './message-watch.js';
import type { Producers } from './producers.js';
import type { SagaWatch } from './saga-watch.js';
import type { Services } from './services.js';
import type { Watch, WatchedLog } from './watch.js';
import { NOTHING } from '../../src/engine/virtual-time.js';
import { Process } from './world.js';
import type { World } from './world.js';

export const LEASE_MS = 2000;
const TIMEOUT_MS = 200;
const POSTPONED_MS = 2000;

const SAGA = { action: 'sim://action', compensate: 'sim://compensate' };
const MESSAGE = { check: 'sim://check', deliver: 'sim://deliver' };

const component = (name: string): Component => ({
  name,
  timeoutMs: TIMEOUT_MS,
  concurrency: 100,
  callsPerSecond: null,
  retry: { baseMs: 40, factor: 2, capMs: 300, jitter: 0.2, maxAttempts: 6, maxAgeMs: 20_000, tryAttempts: 3 },
  check: CHECK,
  targets: { try: 'sim://try', confirm: 'sim://confirm', cancel: 'sim://cancel', ...SAGA, ...MESSAGE },
  instances: () => [],
});

export interface Faults {
  /** Probability of each trouble, a call or a statement at a time. */
  readonly log: number;
  readonly network: number;
  isDatabaseDown: boolean;
  /** How long a statement takes there, and back: while a write is under way, more answers come in. */
  readonly statementMs: number;
  /** Statements on their way to the database. */
  statements: number;
}

export interface Surroundings {
  readonly world: World;
  readonly log: WatchedLog;
  readonly services: Services;
  readonly watch: Watch;
  readonly sagas: SagaWatch;
  readonly producers: Producers;
  readonly messages: MessageWatch;
  readonly faults: Faults;
}

export class Node {
  readonly process: Process;
  readonly coordinator: Coordinator;
  private member: Member | null = null;
  private readonly lost: (() => unknown)[] = [];

  constructor(
    name: string,
    private readonly around: Surroundings,
  ) {
    this.process = new Process(name, around.world);
    const known = new Map(['a', 'b', 'c'].map((key) => [key, component(key)]));
    this.coordinator = new Coordinator({
      log: this.log(),
      participants: this.participants(),
      components: { get: (key) => known.get(key), find: async (key) => known.get(key) },
      clock: this.process.clock,
      logger: { info: () => undefined, warn: () => undefined, error: (fields) => this.defect(fields) },
      node: name,
      leaseMs: LEASE_MS,
      isKafkaOn: true,
    });
    this.start();
  }

  /** Asks the coordinator as somebody outside does: the answer may never come. */
  ask<T>(what: (coordinator: Coordinator) => Promise<T>): Promise<T> {
    const { world } = this.around;
    return new Promise((resolve, reject) => {
      let isAnswered = false;
      const lose = (): typeof NOTHING | void => {
        if (isAnswered) return NOTHING;
        reject(new LogOutcomeUnknown('connection lost'));
      };
      this.lost.push(lose);
      world.after(8000, lose);
      this.process.deliver(1, () => {
        const asked = what(this.coordinator).finally(() => (isAnswered = true));
        asked.then(resolve, reject);
      });
    });
  }

  kill(): void {
    this.process.kill();
    for (const lose of this.lost.splice(0)) lose();
  }

  private start(): void {
    this.coordinator.start().catch(() => this.process.deliver(200, () => this.start()));
  }

  private defect(fields: object): void {
    this.around.watch.violations.push(
      `defect: ${JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? value.stack : value))}`,
    );
  }

  private log(): TransactionLog {
    const { log } = this.around;
    return {
      insert: (...args) => this.statement(true, () => log.insert(...args)),
      save: (held, tx, events) => {
        // What a decision from outside ends, nobody has to own.
        const isDecision = held.tx.decision === null && isEnded(tx);
        if (!isDecision && !held.owner.startsWith(`${this.process.name}-`)) {
          this.around.watch.violations.push(`G6: ${this.process.name} writes ${tx.gid} in the name of ${held.owner}`);
        }
        return this.statement(true, () => log.save(held, tx, events));
      },
      decide: (...args) => this.statement(true, () => log.decide(...args)),
      take: (member, gid) => this.statement(true, () => log.take(member, gid)),
      register: (gid, branch) => this.statement(true, () => log.register(gid, branch)),
      get: (gid) => this.statement(false, () => log.get(gid)),
      list: (filter) => this.statement(false, () => log.list(filter)),
      timeline: (gid) => this.statement(false, () => log.timeline(gid)),
      contentHash: (gid) => this.statement(false, () => log.contentHash(gid)),
      join: async (node, leaseMs) => (this.member = await this.statement(false, () => log.join(node, leaseMs))),
      renew: (member, leaseMs) => this.statement(false, () => log.renew(member, leaseMs)),
      leave: (member) => this.statement(false, () => log.leave(member)),
      owned: (member) => this.statement(false, () => log.owned(member)),
      takeOver: (member, limit) => this.statement(false, () => log.takeOver(member, limit)),
    };
  }

  /** A statement on its way to the database and back. Where the process stops, the statement does not. */
  private statement<T>(isWrite: boolean, apply: () => Promise<T>): Promise<T> {
    const { world, faults } = this.around;
    const { chance } = world;
    return new Promise((resolve, reject) => {
      const unknown = (): void =>
        reject(isWrite ? new LogOutcomeUnknown('connection lost') : new LogUnavailable('connection lost'));
      if (faults.isDatabaseDown || chance.happens(faults.log / 2)) {
        this.process.deliver(1, () => reject(new LogUnavailable('no connection')));
        return;
      }
      const outMs = chance.happens(faults.log / 2)
        ? chance.between(100, LEASE_MS)
        : chance.between(0, faults.statementMs);
      const isAnswerLost = chance.happens(faults.log);
      // A connection may break while the server is still at work: unknown comes before the effect.
      if (isAnswerLost && chance.happens(0.5)) this.process.deliver(chance.between(0, outMs), unknown);
      faults.statements += 1;
      world.after(outMs, () => {
        faults.statements -= 1;
        const backMs = chance.between(0, faults.statementMs);
        apply().then(
          (value) => this.process.deliver(backMs, () => (isAnswerLost ? unknown() : resolve(value))),
          (error: Error) => this.process.deliver(backMs, () => reject(error)),
        );
      });
    });
  }

  private participants(): Participants {
    const { faults } = this.around;
    const { chance } = this.around.world;
    return {
      prepare: () => ({ url: 'sim://try', headers: {}, body: '' }),
      call: (request) =>
        new Promise<Outcome>((resolve) => {
          // A call may wait for its turn: whether it may still leave is asked when it leaves.
          const queueMs = chance.happens(0.2) ? chance.between(1, 400) : 0;
          this.process.deliver(queueMs, () => {
            if (!request.mayLeave()) resolve({ kind: 'postponed', retryAfterMs: 50 });
            else if (!chance.happens(faults.network / 2)) this.send(request, resolve);
            else {
              // As where a breaker is open: it is woken, whatever has become of it by then, or comes back by itself.
              resolve({ kind: 'postponed', retryAfterMs: POSTPONED_MS });
              this.process.deliver(chance.between(1, POSTPONED_MS * 2), () => request.wake());
            }
          });
        }),
    };
  }

  private send(request: CallRequest, resolve: (outcome: Outcome) => void): void {
    const { world, services, producers, watch, faults } = this.around;
    const { chance } = world;
    const { tx, branch, op, attempt } = request;
    const key = `${tx.gid}/${branch.branchId}`;
    const isBack = watch.callLeaves(request, this.process.name, this.member);
    world.note(`${this.process.name}: ${op} ${key} #${attempt} leaves`);
    let isAnswered = false;
    const answer = (outcome: Outcome): typeof NOTHING | void => {
      if (isAnswered) return NOTHING;
      isAnswered = true;
      isBack(outcome);
      resolve(outcome);
    };
    request.whenStopped(() => answer({ kind: 'unknown', detail: 'cut' }));
    const timeoutMs = branch.plan?.timeoutMs ?? TIMEOUT_MS;
    this.process.deliver(timeoutMs, () => answer({ kind: 'unknown', detail: 'timeout' }));
    const copies = chance.happens(faults.network / 2) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (chance.happens(faults.network)) continue;
      const travelMs = chance.happens(faults.network) ? chance.between(100, 3000) : chance.between(1, 20);
      world.after(travelMs, () => {
        const outcome = op === 'check' ? producers.check(tx.gid) : services.handle(key, op);
        world.note(`service: ${op} ${key} is ${outcome.kind}`);
        if (!chance.happens(faults.network)) this.process.deliver(chance.between(1, 20), () => answer(outcome));
      });
    }
  }
}
