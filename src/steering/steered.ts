/** What people change while this node runs, as the engine and whoever else goes by it asks for it. */
import type { Component, Clock, InForce, Steering } from '../engine/ports.js';
import { Rate } from '../platform/rate.js';
import type { ComponentEffective } from '../protocol/config.js';
import type { Reading } from './content.js';
import { STANDARD } from './keys.js';
import type { ComponentValues, NodeValues } from './keys.js';
import { effectiveOf, ofKind, overlaid } from './overlay.js';
import { Pins } from './pins.js';
import type { Pinned, PinsParts } from './pins.js';

const NOTHING: ComponentValues = {};

/** One release as this node takes it: all of it at once. */
export interface Taken {
  /** Null: nothing is in force. */
  readonly release: number | null;
  readonly epoch: number;
  readonly reading: Reading;
}

interface Current {
  readonly inForce: InForce;
  readonly values: NodeValues;
  readonly components: ReadonlyMap<string, ComponentValues>;
  /** Of the components, what is live, without whether they are paused. */
  readonly limits: ReadonlyMap<string, ComponentValues>;
}

export interface SteeredParts extends PinsParts {
  readonly clock: Clock;
  /** What the settings of the process say, where they say it. */
  readonly settings: Partial<NodeValues>;
  /** Looks what is in force, and takes it. @throws LogUnavailable */
  readonly refresh: () => Promise<void>;
}

export class Steered implements Steering {
  private readonly pins: Pins;
  private current: Current;
  /** Null: begins are not limited. */
  private begins: Rate | null = null;

  constructor(private readonly parts: SteeredParts) {
    this.pins = new Pins(parts);
    this.current = this.currentOf(null, 0, { values: {}, components: new Map(), faults: [] });
  }

  get inForce(): InForce {
    return this.current.inForce;
  }

  /** Of the node as a whole. */
  get values(): NodeValues {
    return this.current.values;
  }

  /** What a release says of the node as a whole, over what the settings say. */
  valuesOf({ values }: Reading): NodeValues {
    return Object.freeze({ ...STANDARD, ...this.parts.settings, ...values });
  }

  /** From now on everything goes by this. */
  take({ release, epoch, reading }: Taken): void {
    this.pins.hold(release, reading);
    const { 'limits.beginsPerSecond': before } = this.values;
    this.current = this.currentOf(release, epoch, reading);
    const { 'limits.beginsPerSecond': perSecond } = this.values;
    if (perSecond === before) return;
    const { clock } = this.parts;
    this.begins = perSecond === null ? null : new Rate(perSecond, Math.max(1, perSecond), clock.monotonic());
  }

  refresh(): Promise<void> {
    return this.parts.refresh();
  }

  isKnown(release: number | null): boolean {
    return this.pins.has(release);
  }

  async learn(release: number | null): Promise<void> {
    if (release !== null) await this.pins.learn(release);
  }

  /** The same object as long as nothing of it changes. */
  component(registered: Component, release: number | null): Component {
    const pinned = this.pins.of(release);
    const values = pinned.components.get(registered.name);
    const limits = this.current.limits.get(registered.name);
    if (!values && !limits) return registered;
    return this.built(pinned).get(registered) ?? this.build(pinned, registered, { ...values, ...limits });
  }

  pausedBecause(component: string): string | null {
    const { components, inForce } = this.current;
    if (components.get(component)?.paused !== true) return null;
    return `component ${component} is paused by release ${inForce.release}`;
  }

  admit(): number | null {
    return this.begins?.take(this.parts.clock.monotonic()) ?? null;
  }

  /** What counts for a transaction that is begun now, and where it comes from. */
  effective(registered: Pick<Component, 'name' | 'timeoutMs' | 'concurrency' | 'retry' | 'check'>): ComponentEffective {
    const { components, inForce } = this.current;
    return effectiveOf(registered, components.get(registered.name) ?? NOTHING, inForce.release);
  }

  private built(pinned: Pinned): WeakMap<Component, Component> {
    if (pinned.built !== this.current) {
      pinned.steered = new WeakMap();
      pinned.built = this.current;
    }
    return pinned.steered;
  }

  private build(pinned: Pinned, registered: Component, values: ComponentValues): Component {
    const component = overlaid(registered, values);
    pinned.steered.set(registered, component);
    return component;
  }

  private currentOf(release: number | null, epoch: number, reading: Reading): Current {
    const values = this.valuesOf(reading);
    const { 'limits.unfinished': maxUnfinished, 'recovery.batch': takeOverBatch } = values;
    const limits = [...reading.components].flatMap(([name, { paused: _paused, ...others }]) => {
      const found = ofKind(others, 'live');
      return found ? [[name, found] as const] : [];
    });
    return Object.freeze({
      inForce: Object.freeze({ release, epoch, maxUnfinished, takeOverBatch }),
      values,
      components: reading.components,
      limits: new Map(limits),
    });
  }
}
