/** One start of a coordinator: the production engine over the log in memory. */
import { Coordinator } from '../../engine/coordinator.js';
import type { MemoryLog } from '../../engine/memory-log.js';
import type { ComponentDirectory } from '../../engine/ports.js';
import { VirtualProcess } from '../../engine/virtual-time.js';
import type { TestParticipants } from './participants.js';
import type { World } from './world.js';

/** As in production: a dead node's work is taken over after at most this long. */
const LEASE_MS = 5000;

export interface Surroundings {
  readonly world: World;
  readonly log: MemoryLog;
  readonly components: ComponentDirectory;
  readonly participants: TestParticipants;
}

export class TestNode extends VirtualProcess {
  readonly coordinator: Coordinator;
  private readonly started: Promise<void>;

  /** @param killed called once, when it is */
  constructor(
    name: string,
    { world, log, components, participants }: Surroundings,
    private readonly killed: () => void,
  ) {
    super(name, world);
    this.coordinator = new Coordinator({
      log,
      components,
      participants: {
        call: (request) => participants.call(this, request),
        prepare: () => ({ url: '', headers: {}, body: '' }),
      },
      clock: this.clock,
      logger: {
        info: () => undefined,
        warn: () => undefined,
        error: (fields, message) => participants.fail(new Error(message, { cause: fields })),
      },
      node: name,
      leaseMs: LEASE_MS,
      isKafkaOn: true,
    });
    this.started = this.coordinator.start();
  }

  /** Asks as somebody outside does: once the node is dead, no answer comes. */
  async ask<T>(what: (coordinator: Coordinator) => Promise<T>): Promise<T> {
    await this.started;
    return what(this.coordinator);
  }

  override kill(): void {
    if (!this.isAlive) return;
    super.kill();
    this.killed();
  }
}
