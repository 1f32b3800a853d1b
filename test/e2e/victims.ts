/** What is killed and frozen at random while others work; CHAOS_SEED, CHAOS_SEEDS and CHAOS_MS say how. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Service } from '../../examples/scenarios/processes.js';
import type { Random } from '../fuzz/random.js';
import type { Broker } from '../support/kafka.js';

const FIRST = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000);
export const SEEDS = Array.from({ length: Number(process.env['CHAOS_SEEDS'] ?? 1) }, (_, n) => FIRST + n);
/** How long each seed is tormented. */
export const TORMENT_MS = Number(process.env['CHAOS_MS'] ?? 7000);

export interface Victim {
  readonly name: string;
  /** Hurts it; when this comes back it is on its feet again, or getting there. */
  readonly strike: (random: Random) => Promise<void>;
}

/** @param freezeMs at most: longer than its lease, so that others take over */
export function processVictim(service: Service, freezeMs: number): Victim {
  return {
    name: service.program.name,
    async strike(random) {
      if (!service.isRunning) throw new Error(`${service.program.name} ended by itself:\n${service.printed}`);
      if (random.in(50)) {
        await service.signal('SIGKILL');
        await pause(random.below(500));
        await service.start();
      } else {
        await service.signal('SIGSTOP');
        await pause(random.below(freezeMs));
        await service.signal('SIGCONT');
      }
    },
  };
}

export function brokerVictim(broker: Broker, freezeMs: number): Victim {
  return {
    name: 'broker',
    async strike(random) {
      if (random.in(25)) {
        await broker.kill();
        await broker.restart();
      } else {
        broker.freeze();
        await pause(random.below(freezeMs));
        broker.thaw();
      }
    },
  };
}

/** Strikes again and again, with rests of up to `restMs`, until it is over. */
export async function torment(victim: Victim, random: Random, restMs: number, isOver: () => boolean): Promise<void> {
  await pause(random.below(restMs));
  while (!isOver()) {
    await victim.strike(random);
    await pause(random.below(restMs));
  }
}
