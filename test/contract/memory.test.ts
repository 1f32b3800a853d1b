import { newlyQueued } from '../../src/domain/message.js';
import type { Held, Member, TimelineEvent } from '../../src/engine/ports.js';
import { MemoryLog } from '../../src/engine/memory-log.js';
import type { Row } from '../../src/engine/memory-log.js';
import { describeMessages } from './messages.suite.js';
import type { OutboxRow } from './messages.suite.js';
import { describeTransactionLog } from './transaction-log.suite.js';

/** With the outbox that whoever keeps one makes of the writes. */
class QueuingLog extends MemoryLog {
  readonly outbox: OutboxRow[] = [];

  protected override write(row: Row, held: Held, events: readonly TimelineEvent[]): Held {
    for (const { branchId, payload, topic } of newlyQueued(row.held.tx, held.tx)) {
      const { topic: to = '', key = null } = topic ?? {};
      this.outbox.push({ id: `${held.tx.gid}/${branchId}`, topic: to, key, payload });
    }
    return super.write(row, held, events);
  }
}

async function open() {
  const log = new QueuingLog({ now: () => Date.now() });
  const expire = async (member: Member): Promise<void> => {
    const lease = log.members.get(member.id);
    if (lease) lease.until = 0;
  };
  const toEpoch = async (epoch: number): Promise<void> => void (log.epoch = epoch);
  return { node: () => log, expire, toEpoch, outbox: async () => log.outbox };
}

describeTransactionLog('memory', open, async () => undefined);
describeMessages('memory', open, async () => undefined);
