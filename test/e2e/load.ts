/** Initiators that begin one transaction after the other, whatever happens to the coordinators meanwhile. */
import type { TransactionView } from '../../src/protocol/words.js';

const INITIATORS = 12;
const PAUSE_MS = 20;
const PATIENCE_MS = 10_000;

export interface Told {
  readonly initiator: number;
  readonly gid: string;
  /** What each attempt was answered: a status, or why none came. */
  readonly answers: readonly string[];
  readonly isAcknowledged: boolean;
}

/** One attempt, at the coordinator of this URL. */
async function begin(url: string, gid: string, component: string): Promise<{ answer: string; isDone: boolean }> {
  const branches = ['a', 'b'].map((branchId) => ({ branchId, component, payload: null }));
  try {
    const response = await fetch(`${url}/v1/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ mode: 'tcc', gid, branches }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const body = (await response.json()) as Partial<TransactionView> & { code?: string };
    const isDone = response.ok && body.decision === 'commit';
    return { answer: `${response.status} ${body.code ?? body.decision ?? 'undecided'}`, isDone };
  } catch (error) {
    const { cause, message } = error as Error;
    return { answer: cause instanceof Error ? cause.message : message, isDone: false };
  }
}

export class Load {
  readonly told: Told[] = [];
  private isOver = false;
  private readonly initiators: Promise<void>[];

  /**
   * @param urls where the coordinators are now; a begin that one of them does not acknowledge is repeated at the next
   * @param attempts of each begin
   */
  constructor(
    private readonly urls: () => readonly string[],
    private readonly component: string,
    private readonly attempts: number,
    name = 'load',
  ) {
    this.initiators = Array.from({ length: INITIATORS }, (_, index) => this.initiate(index, name));
  }

  get acknowledged(): string[] {
    return this.told.filter(({ isAcknowledged }) => isAcknowledged).map(({ gid }) => gid);
  }

  /** Resolves when so many more were acknowledged. */
  async goesOn(more = 30): Promise<void> {
    const from = this.acknowledged.length;
    while (this.acknowledged.length < from + more) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }

  /** What was begun after this moment, and answered: at least so many. */
  async begunFromNow(count: number): Promise<Told[]> {
    const from = this.told.length;
    for (;;) {
      // What an initiator hears next may have been begun before.
      const heard = new Set<number>();
      const begun = this.told.slice(from).filter(({ initiator }) => {
        const isLater = heard.has(initiator);
        heard.add(initiator);
        return isLater;
      });
      if (begun.length >= count) return begun;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.initiators);
  }

  private async initiate(initiator: number, name: string): Promise<void> {
    for (let count = 0; !this.isOver; count += 1) {
      const gid = `${name}-${initiator}-${count}`;
      const answers: string[] = [];
      let isAcknowledged = false;
      for (let attempt = 0; attempt < this.attempts && !isAcknowledged; attempt += 1) {
        const urls = this.urls();
        const { answer, isDone } = await begin(urls[(count + attempt) % urls.length] ?? '', gid, this.component);
        answers.push(answer);
        isAcknowledged = isDone;
      }
      this.told.push({ initiator, gid, answers, isAcknowledged });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
