/** Coordinators over one log in memory: one lives at a time, and where it is killed the next one starts. */
import { isEnded } from '../../domain/transaction.js';
import type { Transaction } from '../../domain/transaction.js';
import type { Coordinator } from '../../engine/coordinator.js';
import { MemoryLog } from '../../engine/memory-log.js';
import type { Row } from '../../engine/memory-log.js';
import { TercetError as Refusal } from '../../protocol/errors.js';
import { TercetError } from '../errors.js';
import { directoryOf } from './components.js';
import type { TestComponents } from './components.js';
import { TestNode } from './node.js';
import type { TestParticipants } from './participants.js';
import type { World } from './world.js';

/** How long one question waits; then it is asked again. */
export const CHUNK_MS = 60_000;
/** Longer than any retry policy lasts by default. */
const MAX_MS = 40 * 86_400_000;

export class Cluster {
  private readonly log = new MemoryLog({ now: () => this.world.now });
  private readonly components;
  private node: TestNode;
  private nodes = 0;

  constructor(
    private readonly world: World,
    private readonly participants: TestParticipants,
    components: TestComponents,
  ) {
    this.components = directoryOf(components);
    this.node = this.startNode();
  }

  /** Asks whichever coordinator lives, again where it died before it answered, and moves the clock meanwhile. */
  async ask<T>(what: (coordinator: Coordinator) => Promise<T>): Promise<T> {
    for (;;) {
      const { node } = this;
      const heard: { answer?: { value: T } | { error: unknown } } = {};
      node.ask(what).then(
        (value) => (heard.answer = { value }),
        (error: unknown) => (heard.answer = { error }),
      );
      await this.world.until(() => heard.answer !== undefined || !node.isAlive || this.participants.hasTrouble);
      this.participants.checkTrouble();
      if (!heard.answer) continue;
      if ('value' in heard.answer) return heard.answer.value;
      const { error } = heard.answer;
      // As the client throws it.
      throw error instanceof Refusal ? new TercetError(error.toProblem(), { cause: error }) : error;
    }
  }

  /** Moves the clock until the transaction has ended or is parked, and what was late has arrived. */
  async end(gid: string): Promise<Transaction> {
    const from = this.world.now;
    let tx = await this.ask((coordinator) => coordinator.get(gid, null));
    while (!isEnded(tx) && tx.parked === null) {
      if (this.world.now - from > MAX_MS) throw new Error(`'${gid}' has not ended after ${MAX_MS} virtual ms`);
      tx = await this.ask((coordinator) => coordinator.get(gid, { until: 'settled', ms: CHUNK_MS }));
    }
    await this.participants.deliverLate(gid);
    this.participants.checkTrouble();
    return tx;
  }

  /** What the log holds of every transaction, the first one first. */
  rows(): Row[] {
    return [...this.log.rows.values()];
  }

  find(gid: string): Transaction | undefined {
    return this.log.rows.get(gid)?.held.tx;
  }

  private startNode(): TestNode {
    const { world, log, components, participants } = this;
    const name = `node-${(this.nodes += 1)}`;
    return new TestNode(name, { world, log, components, participants }, () => {
      this.node = this.startNode();
    });
  }
}
