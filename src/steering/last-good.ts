/**
 * The release that this node took last, in a file of its own: with it, it starts where what is in force cannot be read or
 * taken. Without the database it does not start at all.
 */
import { hash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Saved {
  readonly release: number;
  readonly epoch: number;
  /** As it is stored. */
  readonly text: string;
}

export class LastGood {
  private writing: Promise<void> = Promise.resolve();

  /** @param database what was taken from another one than this is as if it were not there */
  constructor(
    private readonly path: string,
    private readonly database: string,
  ) {}

  /** One after the other. Rejects when it cannot be written. */
  write(saved: Saved): Promise<void> {
    const writing = this.writing.catch(() => undefined).then(() => this.replace(saved));
    this.writing = writing;
    return writing;
  }

  /** Null: there is none, or it is not whole. */
  async read(): Promise<Saved | null> {
    try {
      const { checksum, ...saved } = JSON.parse(await readFile(this.path, 'utf8')) as Saved & { checksum: string };
      return checksum === this.checksumOf(saved) ? saved : null;
    } catch {
      return null;
    }
  }

  /** Either the old one is there or the new one, whole. */
  private async replace(saved: Saved): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true });
    const beside = `${this.path}.${randomUUID()}`;
    await writeFile(beside, `${JSON.stringify({ ...saved, checksum: this.checksumOf(saved) })}\n`, { mode: 0o600 });
    await rename(beside, this.path);
  }

  private checksumOf({ release, epoch, text }: Saved): string {
    return hash('sha256', JSON.stringify([this.database, release, epoch, text]), 'hex');
  }
}
