import { MESSAGE_MUTANTS } from './message-mutants.js';
import { SAGA_MUTANTS } from './saga-mutants.js';

/** Planted defects. The simulation must catch each; if it does not, it proves less than it seems to. */
export const MUTANTS = [
  {
    name: 'a decision is acted on before it is durable',
    file: 'src/engine/drive.ts',
    find: 'await this.persist(step.tx);',
    replace: 'void this.persist(step.tx);',
  },
  {
    name: 'calls leave before the begin is recorded',
    file: 'src/engine/begins.ts',
    find: 'this.owning((member) => log.insert(',
    replace:
      'this.owning((member) => (this.around.driver.drive({ tx, owner: member.id, epoch: 1, version: 1 }), log).insert(',
  },
  {
    name: 'the log forgets to compare owner, epoch and version',
    file: 'src/engine/memory-log.ts',
    find: "      return 'lost' as const;",
    replace: "      if (!row) return 'lost' as const;",
  },
  {
    name: 'a write that was overtaken is repeated on top of what overtook it',
    file: 'src/engine/drive.ts',
    find: '!this.isStopped && this.tx === tx;',
    replace: '!this.isStopped;',
  },
  {
    name: 'only branches that answered are cancelled',
    file: 'src/domain/tcc.ts',
    find: "branch.state === 'forced' || branch.state === 'waiting'",
    replace: "branch.state === 'forced' || branch.state !== 'done'",
  },
  {
    name: 'the fence admits a late try',
    file: 'test/simulation/services.ts',
    find: "if (part.fence === 'cancelled') return { kind: 'refused', reason: 'cancelled before' };",
    replace: "if (part.fence === 'cancelled') return this.take(part, 'tried', op, done);",
  },
  {
    name: 'a refused try passes for done',
    file: 'src/domain/machine.ts',
    find: "state: 'refused', attempts: branch.attempts + 1, retryAt: null, gaveUp: outcome.reason",
    replace: "state: 'done', attempts: branch.attempts + 1, retryAt: null",
  },
  {
    name: 'a node does not look at its lease',
    file: 'src/engine/membership.ts',
    find: 'return this.member !== null && this.parts.clock.monotonic() < this.until;',
    replace: 'return this.member !== null;',
  },
  {
    name: 'the lease is not looked at again when a queued call leaves',
    file: 'src/engine/call-under-way.ts',
    find: '!isPaused && membership.isValid();',
    replace: '!isPaused;',
  },
  {
    name: 'a slow call is made a second time',
    file: 'src/domain/machine.ts',
    find: 'if (at.inFlight.has(branch.branchId)) return branch;',
    replace: '',
  },
  {
    name: 'a branch that is given up does not park',
    file: 'src/domain/machine.ts',
    find: 'const parked = tx.parked ?? parkedBy(tx, rules, at.now);',
    replace: 'const parked = tx.parked;',
  },
  {
    name: 'what a person parked is still called',
    file: 'src/domain/machine.ts',
    find: 'if (isHeld(tx)) return { tx, save, calls, wakeAt };',
    replace: '',
    also: { find: 'return !isHeld(tx) && opOf', replace: 'return opOf' },
  },
  {
    name: 'a call that waits in line leaves though a person parked its transaction',
    file: 'src/domain/machine.ts',
    find: 'return !isHeld(tx) && opOf(tx, branchId) === op',
    replace: 'return opOf(tx, branchId) === op',
  },
  {
    name: 'a branch is forced that nobody parked',
    file: 'src/domain/operator.ts',
    find: 'if (branch.gaveUp === null && !isHeld(tx))',
    replace: 'if (!tx)',
  },
  {
    name: 'nobody takes over from the dead',
    file: 'src/engine/recovery.ts',
    find: 'for (const held of taken) this.parts.driver.drive(held);',
    replace: '',
  },
  {
    name: 'a write in doubt is not looked for',
    file: 'src/engine/recovery.ts',
    find: 'this.inDoubtUntil = this.parts.clock.monotonic() + this.parts.leaseMs * DOUBT_LEASES;',
    replace: '',
  },
  {
    name: 'a drive goes on with a transaction that others own',
    file: 'src/engine/drive.ts',
    find: '!fresh || !this.parts.membership.owns(fresh.owner)',
    replace: '!fresh',
  },
  {
    name: 'a lost write passes for a durable one',
    file: 'src/engine/drive.ts',
    find: "if (result === 'lost') {",
    replace: "if (result === 'lost' && this.isStopped) {",
    also: {
      find: 'if (result.version > this.held.version) this.held = result;',
      replace: 'if (result !== "lost") this.held = result;',
    },
  },
  {
    name: 'a branch registered late is missed by the decision',
    file: 'src/engine/memory-log.ts',
    find: '{ ...row.held, tx: grown, version: row.held.version + 1 }',
    replace: '{ ...row.held, tx: grown, version: row.held.version }',
  },
  {
    name: 'a dead member may still become an owner',
    file: 'src/engine/memory-log.ts',
    find: 'if (this.members.get(member.id)?.dead !== false) throw new MemberDead(`${member.id} was declared dead`);',
    replace: 'void member;',
  },
  {
    name: 'the initiator is told what is not durable yet',
    file: 'src/engine/drive.ts',
    find: 'return this.held;',
    replace: 'return { ...this.held, tx: this.tx };',
  },
  {
    name: 'an open transaction can be decided twice',
    file: 'src/engine/memory-log.ts',
    find: "if (row.held.tx.status !== 'open') return { decided: false, held: row.held };",
    replace: "if (row.held.tx.status !== 'open') row.held = { ...row.held, tx: { ...row.held.tx, status: 'open' } };",
  },
  ...SAGA_MUTANTS,
  ...MESSAGE_MUTANTS,
];
