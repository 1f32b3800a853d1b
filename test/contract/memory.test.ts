import type { Member } from '../../src/engine/ports.js';
import { MemoryLog } from '../../src/engine/memory-log.js';
import { describeTransactionLog } from './transaction-log.suite.js';

describeTransactionLog(
  'memory',
  async () => {
    const log = new MemoryLog({ now: () => Date.now() });
    const expire = async (member: Member): Promise<void> => {
      const lease = log.members.get(member.id);
      if (lease) lease.until = 0;
    };
    return { node: () => log, expire };
  },
  async () => undefined,
);
