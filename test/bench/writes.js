/** The bare writes: begin, decision and end of a TCC through the log alone, with no calls. */
import { branchNames } from '../../dist/src/bench/calls.js';
import { prepareDatabase } from '../../dist/src/storage/data-source.js';
import { PostgresLog } from '../../dist/src/storage/transaction-log.js';
import { openTransaction } from './open-transaction.js';
import { quiet } from './quiet.js';

export class Writes {
  constructor(log, member) {
    this.log = log;
    this.member = member;
  }

  static async on(url) {
    await prepareDatabase(url, 'auto', quiet);
    const log = new PostgresLog({ url, leaseMs: 60_000 }, quiet);
    return new Writes(log, await log.join('bench', 600_000));
  }

  close() {
    return this.log.close();
  }

  async once(gid, count) {
    const now = Date.now();
    const tx = openTransaction(gid, branchNames(count), { deadlineAt: now + 30_000 });
    const { branches } = tx;
    const { held } = await this.log.insert(this.member, tx, 'hash', [], 0);
    const calls = (op) =>
      branches.map(({ branchId }) => ({
        at: now,
        node: 'bench',
        kind: 'call',
        branchId,
        op,
        attempt: 1,
        outcome: 'done',
        durationMs: 1,
      }));
    const step = (state) => branches.map((branch) => ({ ...branch, state, attempts: 1, reply: '{"ok":true}' }));
    const decided = { ...tx, status: 'committing', decision: 'commit', decidedAt: now, branches: step('done') };
    const saved = await this.log.save(held, decided, calls('try'));
    const ended = { ...decided, status: 'committed', endedAt: now, branches: step('confirmed') };
    await this.log.save(saved, ended, calls('confirm'));
  }
}
