/**
 * The pinned parts of the releases that transactions began under. They are few at a time, and most of them say the same;
 * what has not been asked for longest is forgotten, and read again when somebody asks.
 */
import type { Content } from '../config-center/environment-state.js';
import { LogUnavailable } from '../engine/ports.js';
import type { Component, Logger } from '../engine/ports.js';
import type { Json } from '../protocol/words.js';
import { readContent } from './content.js';
import type { Reading } from './content.js';
import type { ComponentValues } from './keys.js';
import { ofKind } from './overlay.js';

const MAX_RELEASES = 200;

export interface Pinned {
  readonly components: ReadonlyMap<string, ComponentValues>;
  /** As they were built last, by what was registered; of the values that are live, they have those of `built`. */
  steered: WeakMap<Component, Component>;
  /** What they were built for: another one, and they are built anew. */
  built: object | null;
  /** When it was asked for last, in no unit. */
  usedAt: number;
}

export interface PinsParts {
  /** The content of namespace `coordinator` in a release; null: it has none. @throws LogUnavailable, TercetError */
  readonly contentOf: (release: number) => Promise<Content | null>;
  readonly logger: Logger;
}

export class Pins {
  private readonly known = new Map<number, Pinned>();
  private readonly learning = new Map<number, Promise<void>>();
  private uses = 0;
  private inForce: number | null = null;
  /** Nothing is pinned where there was no release. */
  private readonly nothing: Pinned = { components: new Map(), steered: new WeakMap(), built: null, usedAt: 0 };

  constructor(private readonly parts: PinsParts) {}

  has(release: number | null): boolean {
    return release === null || this.known.has(release);
  }

  /** @throws LogUnavailable when it is not known: whoever goes by it learns it first */
  of(release: number | null): Pinned {
    if (release === null) return this.nothing;
    const pinned = this.known.get(release);
    if (!pinned) throw new LogUnavailable(`what release ${release} says is not known to this node any more`);
    pinned.usedAt = this.uses += 1;
    return pinned;
  }

  /** It is in force now, and not forgotten as long as it is. */
  hold(release: number | null, reading: Reading): void {
    this.inForce = release;
    if (release !== null) this.note(release, reading);
  }

  private note(release: number, { components }: Reading): void {
    const pinned = [...components].flatMap(([name, values]) => {
      const found = ofKind(values, 'pinned');
      return found ? [[name, found] as const] : [];
    });
    const usedAt = (this.uses += 1);
    this.known.set(release, { components: new Map(pinned), steered: new WeakMap(), built: null, usedAt });
    if (this.known.size > MAX_RELEASES) this.forgetOne();
  }

  /** One reading for all who ask meanwhile. @throws LogUnavailable */
  learn(release: number): Promise<void> {
    const there = this.learning.get(release);
    if (there) return there;
    const learning = this.read(release).finally(() => this.learning.delete(release));
    this.learning.set(release, learning);
    return learning;
  }

  /** A release may be newer than this version of Tercet: then what it understands counts. */
  private async read(release: number): Promise<void> {
    let content: Content | null;
    try {
      content = await this.parts.contentOf(release);
    } catch (error) {
      if (error instanceof LogUnavailable) throw error;
      throw new LogUnavailable((error as Error).message, { cause: error });
    }
    if (!content) throw new LogUnavailable(`release ${release} says nothing of the coordinators`);
    const reading = readContent(JSON.parse(content.text) as Json);
    const { faults } = reading;
    if (faults.length > 0)
      this.parts.logger.warn({ release, faults }, 'a release says what this version does not know');
    this.note(release, reading);
  }

  private forgetOne(): void {
    const others = [...this.known].filter(([release]) => release !== this.inForce);
    const [oldest] = others.reduce((found, entry) => (entry[1].usedAt < found[1].usedAt ? entry : found));
    this.known.delete(oldest);
  }
}
