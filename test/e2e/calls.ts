/** Holds calls between the coordinator and the services, at the shop's gate. */
import type { Gate, SeenCall } from '../../examples/scenarios/gate.js';
import { Moment } from './moment.js';

/** Before the call had any effect, or after it, when the answer is on its way. */
export const SIDES = ['before', 'after'] as const;
export type Side = (typeof SIDES)[number];

interface Order {
  readonly fits: Partial<SeenCall>;
  readonly side: Side;
  readonly moment: Moment;
}

export class Calls {
  private orders: Order[] = [];
  /** Every call that came to the gate, in order. */
  readonly seen: SeenCall[] = [];

  constructor(gate: Gate) {
    gate.watcher = async (call, pass) => {
      this.seen.push(call);
      let passed: ReturnType<typeof pass> | null = null;
      const passOnce = () => (passed ??= pass());
      await this.meet(call, 'before', passOnce);
      const answer = await passOnce();
      await this.meet(call, 'after', passOnce);
      return answer;
    };
  }

  /** Holds the next call that fits. */
  hold(fits: Partial<SeenCall>, side: Side): Moment {
    const moment = new Moment();
    this.orders.push({ fits, side, moment });
    return moment;
  }

  private async meet(call: SeenCall, side: Side, passOn: () => Promise<unknown>): Promise<void> {
    const order = this.orders.find((candidate) => candidate.side === side && matches(call, candidate.fits));
    if (!order) return;
    this.orders = this.orders.filter((other) => other !== order);
    await order.moment.hold(passOn);
  }
}

function matches(call: SeenCall, fits: Partial<SeenCall>): boolean {
  return (Object.keys(fits) as (keyof SeenCall)[]).every((key) => call[key] === fits[key]);
}
