/** A body for each call that takes one, as the document shows it and the page at /docs fills it in. */
export const EXAMPLES: Readonly<Record<string, object>> = {
  beginTransaction: {
    mode: 'tcc',
    gid: 'order-17',
    businessKey: 'customer-4711',
    branches: [
      { branchId: 'account', component: 'account', payload: { customer: 'alice', amount: 300 } },
      { branchId: 'inventory', component: 'inventory', payload: { sku: 'lamp', quantity: 2 } },
    ],
    wait: 'settled',
  },
  registerBranch: { branchId: 'account', component: 'account', payload: { customer: 'alice', amount: 300 } },
  submitTransaction: { wait: 'settled' },
  abortTransaction: { reason: 'the customer changed her mind', wait: 'settled' },
  retryTransaction: { reason: 'the account service is repaired' },
  parkTransaction: { reason: 'the bank looks into it' },
  resumeTransaction: { reason: 'the account service is repaired' },
  forceBranch: { reason: 'booked by hand' },
  bulk: {
    action: 'resume',
    filter: { component: 'account', parked: true },
    reason: 'the account service is repaired',
    dryRun: true,
  },
  requeueDeadLetter: { reason: 'the topic takes larger messages now', at: 'place' },
  releaseLock: { reason: 'its node hangs' },
  putComponent: { url: 'http://127.0.0.1:3002/tercet/account', timeoutMs: 3000, retry: { maxAttempts: 25 } },
  putInstance: { url: 'http://127.0.0.1:3002/tercet/account', ttlMs: 15000 },
};
