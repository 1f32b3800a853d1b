/** Who asks the coordinators of a schedule: initiators of transactions, producers of messages, and persons on call. */
import { isEnded } from '../../src/domain/transaction.js';
import type { Transaction } from '../../src/domain/transaction.js';
import type { BeginRequest, NewBranch } from '../../src/engine/begin.js';
import type { Coordinator } from '../../src/engine/coordinator.js';
import { TercetError } from '../../src/protocol/errors.js';
import type { Drive, Wait } from '../../src/protocol/words.js';
import type { Node, Surroundings } from './node.js';
import { randomMessage } from './message.js';
import { randomSaga } from './saga.js';
import type { Chance, World } from './world.js';

const ACCEPTED = { until: 'accepted', ms: 0 } as const;

export class People {
  /** Those who have not finished. */
  busy = 0;
  /** How often somebody may still see to what needs nobody. */
  private whims: number;
  private orders = 0;
  private readonly world: World;

  constructor(
    private readonly around: Surroundings,
    private readonly nodes: readonly Node[],
  ) {
    const { chance } = (this.world = around.world);
    this.whims = chance.happens(0.4) ? chance.between(1, 4) : 0;
  }

  /** Something that must have finished before the schedule can end. */
  start(work: () => Promise<void>): void {
    this.busy += 1;
    void work().finally(() => (this.busy -= 1));
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.after(ms, resolve));
  }

  private node(): Node {
    return this.nodes[this.world.chance.between(0, this.nodes.length - 1)] as Node;
  }

  client(gid: string): void {
    const { chance } = this.world;
    if (chance.happens(0.3)) return this.sender(gid);
    const isSaga = chance.happens(0.6);
    if (!isSaga && chance.happens(0.35)) this.start(() => this.initiator(gid, tccBranches(chance)));
    else {
      const request = isSaga ? this.saga(gid) : this.tcc(gid, tccBranches(chance), 'coordinator');
      this.start(() => this.begin(request));
      if (chance.happens(0.2)) this.start(() => this.begin(request));
    }
    if (chance.happens(0.2)) {
      this.start(async () => {
        await this.sleep(chance.between(1, isSaga ? 1000 : 400));
        await this.patiently(1, (node) =>
          node.ask((coordinator) => coordinator.abort(gid, 'changed my mind', this.waiting())),
        );
      });
    }
  }

  private sender(gid: string): void {
    const { chance } = this.world;
    const request = this.message(gid);
    this.start(() => this.producer(request));
    if (chance.happens(0.1)) this.start(() => this.begin(request));
    if (chance.happens(0.1)) {
      this.start(async () => {
        await this.sleep(chance.between(1, 2000));
        this.around.producers.misled.add(gid);
        await this.patiently(1, (node) =>
          node.ask((coordinator) => coordinator.abort(gid, 'not wanted any more', this.waiting())),
        );
      });
    }
  }

  private waiting(): { until: Wait; ms: number } {
    const { chance } = this.world;
    const until = (['accepted', 'decided', 'settled'] as const)[chance.between(0, 2)] ?? 'decided';
    return { until, ms: chance.between(1, 3000) };
  }

  private tcc(gid: string, branches: readonly NewBranch[], drive: Drive): BeginRequest {
    const { chance } = this.world;
    const deadlineMs = chance.happens(0.2) ? chance.between(1, 300) : chance.between(300, 6000);
    return { gid, contentHash: 'h', mode: 'tcc', drive, businessKey: null, deadlineMs, branches };
  }

  private saga(gid: string): BeginRequest {
    const saga = randomSaga(this.world.chance);
    this.around.sagas.begins(gid, saga);
    const { deadlineMs, asked: branches, recovery, parallel } = saga;
    if (this.world.isTraced) this.world.note(`client: ${gid} ${recovery}/${parallel} ${JSON.stringify(branches)}`);
    return {
      gid,
      contentHash: 'h',
      mode: 'saga',
      drive: 'coordinator',
      businessKey: null,
      deadlineMs,
      saga: { recovery, parallel },
      branches,
    };
  }

  private message(gid: string): BeginRequest {
    const asked = randomMessage(this.world.chance, this.world.now);
    this.around.producers.begins(gid);
    this.around.messages.begins(gid, asked);
    const { check, deliverAt, asked: branches } = asked;
    const message = { check, deliverAt };
    if (this.world.isTraced) this.world.note(`client: ${gid} ${JSON.stringify({ ...message, branches })}`);
    return {
      gid,
      contentHash: 'h',
      mode: 'message',
      drive: 'initiator',
      businessKey: null,
      deadlineMs: null,
      message,
      branches,
    };
  }

  private async begin(request: BeginRequest): Promise<void> {
    await this.patiently(6, (node) => node.ask((coordinator) => coordinator.begin(request, this.waiting())));
  }

  /** Registers and tries the branches itself, then submits, aborts, or vanishes. */
  private async initiator(gid: string, branches: readonly NewBranch[]): Promise<void> {
    const { chance } = this.world;
    await this.begin(this.tcc(gid, [], 'initiator'));
    const tried: boolean[] = [];
    const all = branches.map(async (branch) => {
      const isRegistered = await this.patiently(3, (node) =>
        node.ask((coordinator) => coordinator.register(gid, branch)),
      );
      if (!isRegistered) return;
      await this.sleep(chance.between(1, 100));
      if (this.around.services.handle(`${gid}/${branch.branchId}`, 'try').kind === 'done') tried.push(true);
    });
    await Promise.all(all);
    if (chance.happens(0.15)) return;
    const isComplete = tried.length === branches.length && !chance.happens(0.1);
    await this.patiently(4, (node) =>
      node.ask((coordinator) =>
        isComplete ? coordinator.submit(gid, this.waiting()) : coordinator.abort(gid, null, this.waiting()),
      ),
    );
  }

  /** Sends the half message, runs its local transaction, and says what became of it; or dies anywhere between. */
  private async producer(request: BeginRequest): Promise<void> {
    const { chance } = this.world;
    const { producers } = this.around;
    const { gid = '' } = request;
    const half = await this.patiently(6, (node) => node.ask((coordinator) => coordinator.begin(request, ACCEPTED)));
    if (!half || !gid || chance.happens(0.05)) return;
    await this.sleep(chance.between(0, chance.happens(0.3) ? 1500 : 50));
    // A check may have come first: then it ends as one that rolls back.
    const isOpen = producers.open(gid);
    await this.sleep(chance.between(1, chance.happens(0.3) ? 3000 : 300));
    const dies = chance.next();
    const isCommitted = isOpen && dies > 0.1 && chance.happens(0.75);
    producers.close(gid, isCommitted ? 'committed' : 'gone');
    if (dies < 0.3) return;
    await this.sleep(chance.happens(0.3) ? chance.between(1, 3000) : 1);
    const tx = await this.patiently(4, (node) =>
      node.ask((coordinator) =>
        isCommitted ? coordinator.submit(gid, this.waiting()) : coordinator.abort(gid, null, this.waiting()),
      ),
    );
    const said = isCommitted ? 'commit' : 'abort';
    if (tx && tx.decision !== said) this.around.watch.violations.push(`G12: ${gid}: ${said} met ${tx.decision}`);
  }

  /** Asks one node after another until one answers; a refusal is an answer. Null: none, or a refusal. */
  private async patiently(
    tries: number,
    ask: (node: Node) => Promise<{ tx: Transaction }>,
  ): Promise<Transaction | null> {
    for (let attempt = 0; attempt < tries; attempt += 1) {
      try {
        const { tx } = await ask(this.node());
        this.world.note(`client: ${tx.gid} is ${tx.status}`);
        this.around.watch.answered(tx);
        return tx;
      } catch (error) {
        if (error instanceof TercetError) {
          if (error.code === 'TERCET_SAGA_INVALID') this.around.watch.violations.push(error.message);
          return null;
        }
        await this.sleep(this.world.chance.between(20, 1200));
      }
    }
    return null;
  }

  /** Lets go on what is parked, or gives it up, and parks or retries what is not, as a person on call does. */
  operator(): void {
    const { chance } = this.world;
    this.world.after(chance.between(100, 1000), () => {
      for (const { held } of this.around.log.rows.values()) {
        if (held.tx.parked) this.start(() => this.relieve(held.tx));
        else if (!isEnded(held.tx) && this.whims > 0 && chance.happens(0.3)) {
          this.whims -= 1;
          this.start(() => this.whim(held.tx));
        }
      }
      this.operator();
    });
  }

  private whim(tx: Transaction): Promise<void> {
    const { chance } = this.world;
    if (tx.mode === 'message' && tx.status === 'open' && chance.happens(0.3)) return this.settle(tx.gid);
    return chance.happens(0.5) ? this.park(tx.gid) : this.retry(tx.gid);
  }

  /** Decides for a producer that says nothing, by what its database shows. */
  private async settle(gid: string): Promise<void> {
    const { producers } = this.around;
    producers.forestall(gid);
    const local = producers.localOf(gid);
    const order = { reason: 'looked', who: 'somebody' };
    await this.ask(gid, async (coordinator) => {
      if (local === 'open') return coordinator.operator.act(gid, 'resume', order);
      const answer = local === 'committed' ? coordinator.submit(gid, ACCEPTED, order) : null;
      return (await (answer ?? coordinator.abort(gid, order.reason, ACCEPTED, order))).tx;
    });
  }

  private async relieve({ gid, mode, status, branches, parked }: Transaction): Promise<void> {
    const { chance } = this.world;
    if (mode === 'message' && status === 'open' && chance.happens(0.5)) return this.settle(gid);
    const order = { reason: 'fixed', who: 'somebody' };
    const any = branches[chance.between(0, branches.length - 1)]?.branchId ?? 'a';
    const branchId = chance.happens(0.5) ? (parked?.branchId ?? any) : any;
    const kind = chance.next();
    if (kind < 0.3) {
      // Often refused: the branch is not parked.
      await this.ask(gid, (coordinator) => coordinator.operator.force(gid, branchId, order));
      return;
    }
    const action = kind < 0.5 ? 'retry' : 'resume';
    if (action === 'retry') this.around.messages.hurried(gid);
    await this.ask(gid, (coordinator) => coordinator.operator.act(gid, action, order));
  }

  /** What is under way changes hands by it. */
  private async retry(gid: string): Promise<void> {
    this.around.messages.hurried(gid);
    await this.ask(gid, (coordinator) => coordinator.operator.act(gid, 'retry', { reason: 'slow', who: 'somebody' }));
  }

  private async park(gid: string): Promise<void> {
    this.orders += 1;
    const who = `person ${this.orders}`;
    const order = { reason: 'let me look', who };
    const tx = await this.ask(gid, (coordinator) => coordinator.operator.act(gid, 'park', order));
    // Somebody else may have parked it at the same time, and not know it yet.
    if (tx?.parked?.why.includes(`${who}:`)) this.around.watch.parkedByHand(tx.parked);
  }

  private ask(gid: string, what: (coordinator: Coordinator) => Promise<Transaction>): Promise<Transaction | null> {
    this.world.note(`somebody looks after ${gid}`);
    return this.patiently(1, async (node) => ({ tx: await node.ask(what) }));
  }
}

function tccBranches(chance: Chance): NewBranch[] {
  const names = ['a', 'b', 'c'].slice(0, chance.between(1, 3));
  return names.map((name) => ({ branchId: name, component: name, payload: '{"amount":1}' }));
}
