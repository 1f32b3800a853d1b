/** The configuration that was taken last, in a file: a service starts with it while the center is away. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { checksumOf } from '../../config/canonical.js';
import { openText, sealText } from '../../config/sealed-text.js';
import { CodedError } from '../../platform/coded-error.js';
import type { Clock, Logger } from '../../platform/surroundings.js';
import type { ValuesView } from '../../protocol/config.js';

const DAY_MS = 86_400_000;
/** While the center confirms what is there, the file is written again after so long, so that it does not grow old. */
const REFRESH_MS = 60_000;

export interface LastGoodParts {
  readonly folder: string;
  readonly maxAgeMs?: number;
  /** Null: the file is not encrypted. */
  readonly key: Buffer | null;
  /** Whom the contents are for; a file of somebody else is not taken. */
  readonly place: {
    readonly environment: string;
    readonly namespaces: readonly string[];
    /** Null: it has another name at each start. */
    readonly instance: string | null;
    readonly secrets: boolean;
  };
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a file holds: this, or this encrypted. */
interface Kept {
  readonly place: string;
  /** When the center last said that this is what the service is to have: ms since the epoch. */
  readonly confirmedAt: number;
  readonly values: ValuesView;
}

export class LastGood {
  private readonly place: string;
  private readonly file: string;
  private readonly maxAgeMs: number;
  private next: Kept | null = null;
  private writing: Promise<void> | null = null;
  private writtenAt = -Infinity;
  private isFailing = false;

  constructor(private readonly parts: LastGoodParts) {
    const { environment, namespaces } = parts.place;
    this.place = checksumOf({ ...parts.place, namespaces: namespaces.toSorted() });
    this.file = join(parts.folder, `${environment}.${this.place.slice(0, 16)}.json`);
    this.maxAgeMs = parts.maxAgeMs ?? DAY_MS;
  }

  /**
   * @throws CodedError TERCET_CONFIG_UNAVAILABLE: there is none, or none that can be trusted; TERCET_CONFIG_TOO_OLD: the
   * center has not confirmed it for longer than is allowed
   */
  async read(): Promise<Omit<Kept, 'place'>> {
    const { values, confirmedAt } = await this.parsed().catch((cause: unknown) => {
      const isMissing = (cause as { code?: string }).code === 'ENOENT';
      const why = isMissing ? 'there is no copy' : `the copy cannot be used: ${(cause as Error).message}`;
      throw new CodedError('TERCET_CONFIG_UNAVAILABLE', `${why} (${this.file})`, { cause });
    });
    const ageMs = Math.abs(this.parts.clock.now() - confirmedAt);
    if (ageMs <= this.maxAgeMs) return { values, confirmedAt };
    const age = `was confirmed ${Math.round(ageMs / 1000)} s ago, and may be ${Math.round(this.maxAgeMs / 1000)} s old`;
    throw new CodedError('TERCET_CONFIG_TOO_OLD', `the copy ${this.file} ${age}`);
  }

  /** In the background. @param isNew false: the center has confirmed what is there already */
  keep(values: ValuesView, isNew: boolean): void {
    const { clock } = this.parts;
    // Nothing is worth no file, and may be the word of a center that has lost its data.
    if (Object.keys(values.namespaces).length === 0) return;
    if (!isNew && clock.monotonic() - this.writtenAt < REFRESH_MS) return;
    this.writtenAt = clock.monotonic();
    this.next = { place: this.place, confirmedAt: clock.now(), values };
    this.writing ??= this.writeAll().finally(() => (this.writing = null));
  }

  /** After what is being written. */
  async close(): Promise<void> {
    await this.writing;
  }

  private async parsed(): Promise<Kept> {
    const { key } = this.parts;
    const text = await readFile(this.file, 'utf8');
    const kept = JSON.parse(key ? openText(key, text, this.place) : text) as Kept;
    if (kept.place !== this.place) throw new Error('it is for another service');
    if (!Number.isFinite(kept.confirmedAt)) throw new Error('it does not say when it was confirmed');
    const isWhole = checksumOf(kept.values.namespaces) === kept.values.checksum;
    if (!isWhole) throw new Error('it is not what its checksum says');
    return kept;
  }

  private async writeAll(): Promise<void> {
    while (this.next) {
      const kept = this.next;
      this.next = null;
      try {
        await this.write(kept);
        this.isFailing = false;
      } catch (error) {
        const message = 'the last good configuration cannot be kept; a start while the center is away would fail';
        if (!this.isFailing) this.parts.logger.warn({ error: String(error), file: this.file }, message);
        this.isFailing = true;
      }
    }
  }

  /** Whoever reads finds the old one or the new one, and after a crash, too. */
  private async write(kept: Kept): Promise<void> {
    const { key, folder } = this.parts;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const text = JSON.stringify(kept);
    const unfinished = `${this.file}.${randomBytes(6).toString('hex')}`;
    try {
      const handle = await open(unfinished, 'wx', 0o600);
      try {
        await handle.writeFile(key ? sealText(key, text, this.place) : text);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(unfinished, this.file);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }
}
