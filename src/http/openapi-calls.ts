/** The calls of docs/wire.md that this version has, as /openapi.json lists them; a test compares them with the routes. */
import { z } from 'zod';
import type { ErrorCode } from '../protocol/errors.js';
import { begin } from '../protocol/begin.js';
import { abort, bulk, component, instance, list, look, order, registerBranch, submit } from '../protocol/schema.js';
import { DOCS_FILES } from './docs-files.js';
import { CONFIG_CALLS } from './openapi-config-calls.js';
import { found, WRITES } from './openapi-call.js';
import type { Call } from './openapi-call.js';
import { WORK_CALLS } from './openapi-work-calls.js';

const WAITED = ['what was waited for has come', 'Transaction'] as const;
const NOT_YET = ['what was waited for has not come, or nothing was waited for', 'Transaction'] as const;
const UNKNOWN = 'TERCET_TRANSACTION_UNKNOWN';
const NAMES_COMPONENTS: readonly ErrorCode[] = ['TERCET_COMPONENT_NOT_REGISTERED', 'TERCET_COMPONENT_LACKS_OPERATION'];

/** What the orders of an operator for one transaction have in common. */
const ORDER = {
  roles: ['operator'],
  body: order,
  answers: { 200: found('Transaction') },
  problems: [UNKNOWN, 'TERCET_TRANSACTION_STATE', ...WRITES],
} as const satisfies Partial<Call>;

/** By method and path. */
export const CALLS: Readonly<Record<string, Call>> = {
  'post /v1/transactions': {
    id: 'beginTransaction',
    summary: 'Begin a transaction; the same gid and content again gives the recorded one',
    roles: ['initiator'],
    hasKey: true,
    body: begin,
    answers: { 201: ['begun; what was waited for has come', 'Transaction'], 200: WAITED, 202: NOT_YET },
    problems: [
      'TERCET_GID_CONFLICT',
      'TERCET_KAFKA_OFF',
      'TERCET_SAGA_INVALID',
      'TERCET_TRANSACTIONS_TOO_MANY',
      ...NAMES_COMPONENTS,
      ...WRITES,
    ],
  },
  'get /v1/transactions': {
    id: 'listTransactions',
    summary: 'Transactions, newest first, page by page',
    roles: 'any role',
    query: list,
    answers: { 200: found('Transactions') },
    problems: [],
  },
  'get /v1/transactions/{gid}': {
    id: 'getTransaction',
    summary: 'One transaction; with `wait`, a long poll',
    roles: 'any role',
    query: look,
    answers: { 200: found('Transaction') },
    problems: [UNKNOWN],
  },
  'get /v1/transactions/{gid}/timeline': {
    id: 'getTimeline',
    summary: 'Every call, attempt, outcome and decision, oldest first',
    roles: 'any role',
    answers: { 200: found('Timeline') },
    problems: [UNKNOWN],
  },
  'post /v1/transactions/{gid}/branches': {
    id: 'registerBranch',
    summary: 'Record a branch of an open transaction that its initiator drives, before its try is called',
    roles: ['initiator'],
    body: registerBranch,
    answers: { 201: ['recorded', 'RegisteredBranch'], 200: ['was recorded before', 'RegisteredBranch'] },
    problems: [
      UNKNOWN,
      'TERCET_BRANCH_CONFLICT',
      'TERCET_TRANSACTION_DECIDED',
      'TERCET_TRANSACTION_STATE',
      ...NAMES_COMPONENTS,
      ...WRITES,
    ],
  },
  'post /v1/transactions/{gid}/submit': {
    id: 'submitTransaction',
    summary: 'Decide commit of a transaction that its initiator drives',
    roles: ['initiator', 'operator'],
    body: submit,
    answers: { 200: WAITED, 202: NOT_YET },
    problems: [UNKNOWN, 'TERCET_TRANSACTION_DECIDED', 'TERCET_TRANSACTION_STATE', ...WRITES],
  },
  'post /v1/transactions/{gid}/abort': {
    id: 'abortTransaction',
    summary: 'Decide abort of an open transaction',
    roles: ['initiator', 'operator'],
    body: abort,
    answers: { 200: WAITED, 202: NOT_YET },
    problems: [UNKNOWN, 'TERCET_TRANSACTION_DECIDED', ...WRITES],
  },
  'post /v1/transactions/{gid}/retry': {
    id: 'retryTransaction',
    summary: 'Call now what waits for its next attempt, and let what is parked go on',
    ...ORDER,
  },
  'post /v1/transactions/{gid}/park': {
    id: 'parkTransaction',
    summary: 'Call nobody any more until it is resumed',
    ...ORDER,
  },
  'post /v1/transactions/{gid}/resume': {
    id: 'resumeTransaction',
    summary: 'Let a parked transaction go on',
    ...ORDER,
  },
  'post /v1/transactions/{gid}/branches/{branchId}/force': {
    id: 'forceBranch',
    summary: 'Take a parked branch as done',
    ...ORDER,
    problems: [...ORDER.problems, 'TERCET_BRANCH_UNKNOWN'],
  },
  'post /v1/bulk': {
    id: 'bulk',
    summary: 'Retry, park, resume or abort all that a filter finds, or count them',
    roles: ['operator'],
    body: bulk,
    answers: { 200: ['what was done, or would be', 'Bulk'] },
    problems: WRITES,
  },
  ...WORK_CALLS,
  ...CONFIG_CALLS,
  'get /v1/components': {
    id: 'listComponents',
    summary: 'All components, by name',
    roles: 'any role',
    answers: { 200: found('Components') },
    problems: [],
  },
  'get /v1/components/{name}': {
    id: 'getComponent',
    summary: 'One component',
    roles: 'any role',
    answers: { 200: found('Component') },
    problems: ['TERCET_COMPONENT_UNKNOWN'],
  },
  'put /v1/components/{name}': {
    id: 'putComponent',
    summary: 'Register a component, or replace it',
    roles: ['component'],
    body: component,
    answers: { 201: ['registered', 'Component'], 200: ['replaced, or was the same', 'Component'] },
    problems: ['TERCET_TARGET_FORBIDDEN', ...WRITES],
  },
  'delete /v1/components/{name}': {
    id: 'deleteComponent',
    summary: 'Take a component out',
    roles: ['admin'],
    answers: { 204: ['taken out', null] },
    problems: ['TERCET_COMPONENT_UNKNOWN', 'TERCET_COMPONENT_IN_USE', ...WRITES],
  },
  'put /v1/components/{name}/instances/{instance}': {
    id: 'putInstance',
    summary: 'Heartbeat of one running instance of a component; the first one registers it',
    roles: ['component'],
    body: instance,
    answers: { 201: ['is called from now on', 'Instance'], 200: ['goes on, or is back', 'Instance'] },
    problems: ['TERCET_COMPONENT_UNKNOWN', 'TERCET_TARGET_FORBIDDEN', ...WRITES],
  },
  'delete /v1/components/{name}/instances/{instance}': {
    id: 'deleteInstance',
    summary: 'Take an instance out, before it stops',
    roles: ['component'],
    answers: { 204: ['taken out', null] },
    problems: ['TERCET_INSTANCE_UNKNOWN', ...WRITES],
  },
  'get /v1/diagnosis': {
    id: 'getDiagnosis',
    summary: 'What the node finds when it looks at itself, its database and the components',
    roles: 'any role',
    answers: { 200: ['what it found, good and bad', 'Diagnosis'] },
    problems: [],
  },

  'get /health/live': {
    id: 'getLive',
    summary: 'Whether the process runs',
    roles: 'no key',
    answers: { 200: ['it does', 'Live'] },
    problems: [],
  },
  'get /health/ready': {
    id: 'getReady',
    summary: 'Whether the node takes requests',
    roles: 'no key',
    answers: { 200: ['it does', 'Ready'], 503: ['it does not; ask again after Retry-After', 'Ready'] },
    problems: [],
  },
  'get /metrics': {
    id: 'getMetrics',
    summary: 'What the node did and does, as text for Prometheus',
    roles: 'any role',
    answers: { 200: ['the text', null] },
    problems: [],
  },
  'get /openapi.json': {
    id: 'getOpenApi',
    summary: 'This document',
    roles: 'no key',
    answers: { 200: ['this document', null] },
    problems: [],
  },
  'get /docs': {
    id: 'getDocs',
    summary: 'This document as a page, to read and to try',
    roles: 'no key',
    answers: { 200: ['the page', null], 304: ['the page that was seen is the one', null] },
    problems: [],
  },
  'get /docs/{file}': {
    id: 'getDocsFile',
    summary: 'What the page is made of',
    roles: 'no key',
    names: { file: z.enum(DOCS_FILES) },
    answers: { 200: ['a file', null], 304: ['the file that was seen is the one', null] },
    problems: ['TERCET_ROUTE_UNKNOWN'],
  },
};
