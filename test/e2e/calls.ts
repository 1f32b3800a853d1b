/** Holds calls between the coordinator and the services, at the shop's gate. */
import type { Gate, SeenCall } from '../../examples/scenarios/gate.js';
import { Moment } from './moment.js';

/** Before the call had any effect, or after it, when the answer is on its way. */
export type Side = 'before' | 'after';

interface Order {
  readonly fits: Partial<SeenCall>;
  readonly side: Side;
  readonly moment: Moment;
}

export class Calls {
  private orders: Order[] = [];
  private readonly effects: { call: SeenCall; resolve: () => void }[] = [];
  /** Every call that came through, in order. */
  readonly seen: SeenCall[] = [];

  constructor(gate: Gate) {
    gate.watcher = {
      before: async (call) => {
        this.seen.push(call);
        await this.meet(call, 'before');
      },
      after: async (call) => {
        for (const effect of this.effects.filter((waiting) => waiting.call === call)) effect.resolve();
        await this.meet(call, 'after');
      },
    };
  }

  /** Holds the next call that fits. */
  hold(fits: Partial<SeenCall>, side: Side): Moment {
    const moment = new Moment();
    this.orders.push({ fits, side, moment });
    return moment;
  }

  private async meet(call: SeenCall, side: Side): Promise<void> {
    const order = this.orders.find((candidate) => candidate.side === side && matches(call, candidate.fits));
    if (!order) return;
    this.orders = this.orders.filter((other) => other !== order);
    await new Promise<void>((goOn, lose) => {
      const passOn = async (): Promise<void> => {
        const effect = new Promise<void>((resolve) => this.effects.push({ call, resolve }));
        goOn();
        if (side === 'before') await effect;
      };
      order.moment.arrive(passOn, () => lose(new Error('the test loses it')));
    });
  }
}

function matches(call: SeenCall, fits: Partial<SeenCall>): boolean {
  return (Object.keys(fits) as (keyof SeenCall)[]).every((key) => call[key] === fits[key]);
}
