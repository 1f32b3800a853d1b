/** Planted defects in what messages add; see mutants.js. */
export const MESSAGE_MUTANTS = [
  {
    name: 'a check that finds nothing leaves the local transaction to commit later',
    file: 'test/simulation/producers.ts',
    find: "producer.local = 'gone';",
    replace: '',
  },
  {
    name: 'enough silence passes for a rollback',
    file: 'src/domain/message.ts',
    find: "if (check?.state !== 'refused') return null;",
    replace: 'if (!check?.gaveUp) return null;',
  },
  {
    name: 'enough silence passes for a commit',
    file: 'src/domain/message.ts',
    find: "if (check?.state === 'done')",
    replace: "if (check?.state === 'done' || (check?.gaveUp && check.state !== 'refused'))",
  },
  {
    name: 'a producer that does not know yet is taken to have committed',
    file: 'src/domain/machine.ts',
    find: "if (op !== 'check') return { ...branch, retryAt };",
    replace:
      "if (op === 'check') return { ...branch, state: 'done' };\nif (op !== 'check') return { ...branch, retryAt };",
  },
  {
    name: 'a check that says rolled back decides nothing',
    file: 'src/domain/message.ts',
    find: "if (check?.state !== 'refused') return null;",
    replace: 'if (!check?.reply) return null;',
  },
  {
    name: 'the producer is asked before its time',
    file: 'src/engine/begin.ts',
    find: '? now + message.check.afterMs : null;',
    replace: '? now : null;',
  },
  {
    name: 'a check counts that did not reach its producer',
    file: 'src/domain/machine.ts',
    find: "if (op === 'check' && outcome.hasLeft === false) {",
    replace: "if (op === 'check' && outcome.hasLeft === undefined) {",
  },
  {
    name: 'another component is asked than the message names',
    file: 'src/engine/begin.ts',
    find: '    component,\n    payload,\n    state:',
    replace: "    component: checkAt === null ? component : 'a',\n    payload,\n    state:",
  },
  {
    name: 'deliveries leave before the decision is durable',
    file: 'src/domain/machine.ts',
    find: "if (before.status === 'open' && tx.status !== 'open') save = 'decided';",
    replace: "if (before.status === 'open' && tx.status !== 'open') save = tx.message ? null : 'decided';",
  },
  {
    name: 'what goes to Kafka stands in the outbox by a later write than the decision',
    file: 'src/domain/machine.ts',
    find: 'return started(decide(tx, decision, reason, now), rulesOf(tx.mode), now);',
    replace: 'return decide(tx, decision, reason, now);',
  },
  {
    name: 'what a check decides stands in the outbox by a later write than the decision',
    file: 'src/domain/machine.ts',
    find: 'const begins = started(tx, rules, at.now);',
    replace: 'const begins = before.message && before.decision === null ? tx : started(tx, rules, at.now);',
  },
  {
    name: 'each write puts into the outbox what an earlier one did',
    file: 'src/domain/message.ts',
    find: "state === 'queued' && before.branches[index]?.state !== 'queued'",
    replace: "state === 'queued' && index > 0",
  },
  {
    name: 'of several deliveries to topics one stands in the outbox',
    file: 'src/domain/message.ts',
    find: "state === 'queued' && before.branches[index]?.state !== 'queued'",
    replace: "state === 'queued' && before.branches[index - 1]?.topic === null",
  },
  {
    name: 'deliveries to components pass for queued',
    file: 'src/domain/message.ts',
    find: "state: branch.topic ? ('queued' as const) : ('started' as const)",
    replace: "state: 'queued' as const",
  },
  {
    name: 'a message is through once its deliveries have started',
    file: 'src/domain/message.ts',
    find: "return state === 'delivered' || state === 'queued'",
    replace: "return state === 'delivered' || state === 'started' || state === 'queued'",
  },
  {
    name: 'an aborted message is delivered',
    file: 'src/domain/message.ts',
    find: "if (tx.status !== 'committing' || now",
    replace: "if (tx.status === 'open' || now",
    also: [
      { find: "if (status !== 'committing' || !branches", replace: "if (status === 'open' || !branches" },
      {
        find: '        return null;\n    }\n  },\n\n  turns',
        replace:
          "        return tx.endedAt === null && !isThrough(branch) && !isCheck(tx, branch) ? 'deliver' : null;\n    }\n  },\n\n  turns",
      },
    ],
  },
  {
    name: 'nobody waits until a message may be delivered',
    file: 'src/domain/message.ts',
    find: 'return plan?.deliverAt ?? decidedAt;',
    replace: 'return plan && decidedAt;',
  },
  {
    name: 'a message that is to be delivered later never is',
    file: 'src/domain/machine.ts',
    find: 'wakeAt = earlier(wakeAt, rules.startsAt(tx));',
    replace: '',
  },
  {
    name: 'a decision from outside ends what has deliveries to make',
    file: 'src/domain/machine.ts',
    find: 'return isThrough(tx, rulesOf(tx.mode)) ? ended(tx, now) : tx;',
    replace: 'return ended(tx, now);',
  },
  {
    name: 'whoever decides is answered though others wrote first',
    file: 'src/engine/decisions.ts',
    find: "if (written === 'lost') return null;",
    replace: "if (written === 'lost') return { ...seen, tx: next };",
  },
  {
    name: 'a decision is acknowledged that was made otherwise',
    file: 'src/engine/decisions.ts',
    find: 'if (decision === wanted.decision) return held;',
    replace: 'if (decision !== null) return held;',
  },
  {
    name: 'a decision is acknowledged and not written',
    file: 'src/engine/decisions.ts',
    find: 'const written = await log.save(seen, next, [...events, ...endedEvents(next, node)]);',
    replace: "const written = { ...seen, tx: next } as typeof seen | 'lost';",
  },
  {
    name: 'a decision that nobody drives on from',
    file: 'src/engine/decisions.ts',
    find: 'this.driver.drive(answer.held);',
    replace: '',
  },
  {
    name: 'a write may come after the end',
    file: 'src/engine/memory-log.ts',
    find: 'row.held.version !== held.version) {',
    replace: 'row.held.version < held.version) {',
    also: { find: "if (!row || isEnded(row.held.tx)) return 'lost'", replace: "if (!row) return 'lost'" },
  },
  {
    name: 'the log starts nothing of what is decided from outside',
    file: 'src/engine/memory-log.ts',
    find: 'const tx = decidedBy(row.held.tx, decision, reason, at);',
    replace: 'const tx = { ...decidedBy(row.held.tx, decision, reason, at), branches: row.held.tx.branches };',
  },
];
