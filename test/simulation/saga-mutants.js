/** Planted defects in what sagas add; see mutants.js. */
export const SAGA_MUTANTS = [
  {
    name: 'an abort forgets what may have been called ahead of the log',
    file: 'src/domain/saga.ts',
    find: 'const mayHaveRun = span !== null || ahead;',
    replace: 'const mayHaveRun = span !== null;',
  },
  {
    name: 'what may have been called ahead of the log is undone all at once',
    file: 'src/domain/saga.ts',
    find: 'return (branch) => branch.ahead && !before.has(branch);',
    replace: 'return (branch) => branch.ahead;',
  },
  {
    name: 'what has nothing to undo is called ahead of the log',
    file: 'src/domain/saga.ts',
    find: 'branch.plan?.compensate === true && !branch.plan.pivot;',
    replace: 'branch.plan?.pivot === false;',
  },
  {
    name: 'what needs the replies of others is called ahead of the log',
    file: 'src/domain/saga.ts',
    find: '|| branches.some(refersToReplies)) return tx;',
    replace: ') return tx;',
  },
  {
    name: 'who takes a saga over believes that nothing of it was called ahead of the log',
    file: 'src/engine/drive.ts',
    find: 'this.aheadUntil = isNew ? parts.clock.monotonic() + AHEAD_MS : null;',
    replace: 'this.aheadUntil = parts.clock.monotonic() + AHEAD_MS;',
  },
  {
    name: 'what somebody else wrote is taken for all that was called',
    file: 'src/engine/drive.ts',
    find: 'this.aheadUntil = null;\n    this.held',
    replace: 'this.held',
  },
  {
    name: 'who read of branches called ahead forgets them with the first write',
    file: 'src/domain/machine.ts',
    find: 'if (until !== null && save !== null) tx',
    replace: 'if (save !== null) tx',
  },
  {
    name: 'a branch starts when what it comes after has started',
    file: 'src/domain/saga.ts',
    find: 'return before !== undefined && isThrough(before);',
    replace: 'return before !== undefined && before.span !== null;',
  },
  {
    name: 'a branch that is given up counts as done for what comes after it',
    file: 'src/domain/saga.ts',
    find: 'return before !== undefined && isThrough(before);',
    replace: 'return before !== undefined && (isThrough(before) || before.gaveUp !== null);',
  },
  {
    name: 'a branch is called before its turn',
    file: 'src/domain/saga.ts',
    find: "if (tx.status !== 'aborting') return ({ span }) => span !== null;",
    replace: "if (tx.status !== 'aborting') return () => true;",
  },
  {
    name: 'a branch is started and called without a write',
    file: 'src/domain/machine.ts',
    find: "until === null ? 'started' : save",
    replace: 'save',
  },
  {
    name: 'a saga that a person parked starts branches',
    file: 'src/domain/machine.ts',
    find: 'return isHeld(tx) ? tx : rules.start(tx, now);',
    replace: 'return rules.start(tx, now);',
  },
  {
    name: 'a saga that is being undone starts branches',
    file: 'src/domain/saga.ts',
    find: "if (tx.status !== 'open' && tx.status !== 'committing') return tx;",
    replace: '',
  },
  {
    name: 'more branches start than may run at a time',
    file: 'src/domain/saga.ts',
    find: 'let room = this.parallel(tx) - tx.branches.filter(isRunning).length;',
    replace: 'let room = this.parallel(tx);',
  },
  {
    name: 'more calls are under way than branches may run at a time',
    file: 'src/domain/machine.ts',
    find: 'let room = rules.parallel(tx) - at.inFlight.size;',
    replace: 'let room = Infinity;',
  },
  {
    name: 'how many branches may run at a time is not looked at',
    file: 'src/domain/saga.ts',
    find: 'parallel: (tx: Transaction) => tx.plan?.parallel ?? Infinity,',
    replace: 'parallel: () => Infinity,',
  },
  {
    name: 'what started first is undone first',
    file: 'src/domain/saga.ts',
    find: 'Math.max(last, branch.span?.from ?? 0) : last),\n      0,',
    replace: 'Math.min(last, branch.span?.from ?? 0) : last),\n      Infinity,',
    also: { find: '(span.to === null || span.to > lastStart)', replace: 'span.from <= lastStart' },
  },
  {
    name: 'all is undone at once',
    file: 'src/domain/saga.ts',
    find: '&& (span.to === null || span.to > lastStart)',
    replace: '&& lastStart >= 0',
  },
  {
    name: 'when a branch was done is not noted',
    file: 'src/domain/machine.ts',
    find: 'if (after.span && isSuccess)',
    replace: 'if (after.span && isSuccess && !tx.plan)',
  },
  {
    name: 'only what is known to be done is undone',
    file: 'src/domain/saga.ts',
    find: 'const mayHaveRun = span !== null || ahead;',
    replace: 'const mayHaveRun = (span !== null && span.to !== null) || ahead;',
  },
  {
    name: 'a refused action is not undone',
    file: 'src/domain/saga.ts',
    find: "&& state !== 'compensated' && state !== 'forced';",
    replace: "&& state !== 'compensated' && state !== 'forced' && state !== 'refused';",
  },
  {
    name: 'what has nothing to undo is undone',
    file: 'src/domain/saga.ts',
    find: '&& plan?.compensate === true &&',
    replace: '&& plan !== null &&',
  },
  {
    name: 'the decision forgets that a branch was started',
    file: 'src/domain/transaction.ts',
    find: 'return { ...branch, attempts: 0,',
    replace: 'return { ...branch, span: null, attempts: 0,',
  },
  {
    name: 'the decision forgets that a branch was done',
    file: 'src/domain/transaction.ts',
    find: 'return { ...branch, attempts: 0,',
    replace: 'return { ...branch, span: branch.span && { ...branch.span, to: null }, attempts: 0,',
  },
  {
    name: 'an action that is answered after the abort counts as done',
    file: 'src/domain/machine.ts',
    find: 'if (!branch || rules.opOf(tx, branch) !== answer.op) return tx;',
    replace: 'if (!branch) return tx;',
  },
  {
    name: 'the pivot decides nothing',
    file: 'src/domain/saga.ts',
    find: "plan?.pivot && state === 'done')",
    replace: "plan?.pivot && state === 'waiting' && tx.plan === null)",
  },
  {
    name: 'an action may refuse for good after the pivot',
    file: 'src/domain/machine.ts',
    find: "if (MAY_REFUSE.has(op) && tx.status === 'open') {",
    replace: 'if (MAY_REFUSE.has(op)) {',
  },
  {
    name: 'forward recovery with a deadline aborts at it',
    file: 'src/domain/machine.ts',
    find: "tx.plan?.recovery === 'forward' ?",
    replace: "tx.plan?.recovery === 'forward' && tx.deadlineAt === null ?",
  },
  {
    name: 'a saga commits when all of its branches have started',
    file: 'src/domain/saga.ts',
    find: 'return tx.branches.every(isThrough) ?',
    replace: "return tx.branches.every(({ state }) => state !== 'waiting') ?",
  },
  {
    name: 'nobody is told that a saga which is parked is half undone',
    file: 'src/domain/machine.ts',
    find: "op === 'compensate' ? `${INCOMPLETE}${why}` : why",
    replace: 'why',
  },
  {
    name: 'references are resolved from what this node heard last, not from what is recorded',
    file: 'src/engine/drive.ts',
    find: 'const payload = payloadOf(this.tx, branch);',
    replace: `const branches = this.tx.branches.map((each) => ({ ...each, reply: HEARD.get(this.parts)?.get(this.tx.gid + each.branchId) ?? each.reply }));
      const payload = payloadOf({ ...this.tx, branches }, branch);`,
    also: [
      { find: 'const LOG_RETRY_MS = 100;', replace: 'const LOG_RETRY_MS = 100;\nconst HEARD = new WeakMap();' },
      {
        find: 'this.inFlight.delete(answer.branchId);',
        replace: `this.inFlight.delete(answer.branchId);
          if (op === 'action' && outcome.reply) {
            if (!HEARD.has(this.parts)) HEARD.set(this.parts, new Map());
            HEARD.get(this.parts).set(this.tx.gid + branch.branchId, outcome.reply);
          }`,
      },
    ],
  },
  {
    name: 'references are resolved from replies that nobody records',
    file: 'src/engine/drive.ts',
    find: 'log.save(from, tx, [',
    replace: 'log.save(from, { ...tx, branches: tx.branches.map((each) => ({ ...each, reply: null })) }, [',
  },
  {
    name: 'references are not resolved',
    file: 'src/engine/drive.ts',
    find: 'const payload = payloadOf(this.tx, branch);',
    replace: 'const { payload } = branch;',
  },
  {
    name: 'a branch is called whose references find nothing',
    file: 'src/domain/saga.ts',
    find: 'const problem = unresolvable(tx, branch);',
    replace: 'const problem = unresolvable(tx, branch) && null;',
  },
  {
    name: 'the decision forgets what an action answered',
    file: 'src/domain/transaction.ts',
    find: 'return { ...branch, attempts: 0,',
    replace: 'return { ...branch, reply: null, attempts: 0,',
  },
  {
    name: 'what a compensation answers takes the place of what its action did',
    file: 'src/domain/machine.ts',
    find: 'reply: FIRST_PHASE.has(op) ? outcome.reply : branch.reply,',
    replace: 'reply: outcome.reply,',
  },
];
