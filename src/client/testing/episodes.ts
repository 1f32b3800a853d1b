/** The user's world before and after transactions that were under way together. */
import { isEnded } from '../../domain/transaction.js';
import type { Transaction } from '../../domain/transaction.js';
import { leftOver } from './effects.js';
import type { CallRecord } from './participants.js';
import type { Snapshot } from './state.js';

interface Episode {
  readonly gids: Set<string>;
  readonly before: Snapshot | null;
  /** Null: not all of them have ended. */
  after: Snapshot | null;
}

export class Episodes {
  private readonly all: Episode[] = [];

  /** @param look gives the world as it is now; null: nobody looks */
  constructor(
    private readonly look: () => Snapshot | null,
    private readonly find: (gid: string) => Transaction | undefined,
  ) {}

  /** A transaction begins: alone, or beside others that have not ended. */
  open(gid: string): void {
    const last = this.all.at(-1);
    if (last && !this.isOver(last)) last.gids.add(gid);
    else this.all.push({ gids: new Set([gid]), before: this.look(), after: null });
  }

  /** Looks at the world as soon as all have ended: after that the test itself may change it. */
  close(): void {
    const last = this.all.at(-1);
    if (last && last.after === null && this.isOver(last)) last.after = this.look();
  }

  /** What those left behind of which all were aborted, in words. */
  leftBehind(records: readonly CallRecord[]): string[] {
    return this.all.flatMap(({ gids, before, after }) => {
      const isNothing = [...gids].every((gid) => this.find(gid)?.status === 'aborted');
      return isNothing && before && after ? leftOver(before, after, records) : [];
    });
  }

  private isOver({ gids }: Episode): boolean {
    return [...gids].every((gid) => {
      const tx = this.find(gid);
      return tx === undefined || isEnded(tx);
    });
  }
}
