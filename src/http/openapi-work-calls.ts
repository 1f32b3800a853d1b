/** Calls about what the service itself has to do: its outbox and its locks. */
import { z } from 'zod';
import { LOCK_NAME } from '../locks/lock.js';
import { dead, locks, order, requeue } from '../protocol/schema.js';
import { found, WRITES } from './openapi-call.js';
import type { Call } from './openapi-call.js';

const lockName = z.string().regex(LOCK_NAME);
const deadLetterId = z.string().regex(/^[1-9]\d{0,17}$/);

export const WORK_CALLS: Readonly<Record<string, Call>> = {
  'get /v1/outbox': {
    id: 'getOutbox',
    summary: 'What waits for Kafka, and who sends it',
    roles: 'any role',
    answers: { 200: found('Outbox') },
    problems: [],
  },
  'get /v1/outbox/dead': {
    id: 'listDeadLetters',
    summary: 'Messages that Kafka refused for good, the oldest first, page by page',
    roles: 'any role',
    query: dead,
    answers: { 200: found('DeadLetters') },
    problems: [],
  },
  'post /v1/outbox/dead/{id}/requeue': {
    id: 'requeueDeadLetter',
    summary: 'Send a dead letter again: after all that waits, or at its old place',
    roles: ['operator'],
    names: { id: deadLetterId },
    body: requeue,
    answers: { 200: ['it was put back, as it had been', 'DeadLetter'] },
    problems: ['TERCET_DEAD_LETTER_UNKNOWN', ...WRITES],
  },
  'delete /v1/outbox/dead/{id}': {
    id: 'dropDeadLetter',
    summary: 'Drop a dead letter for ever',
    roles: ['operator'],
    names: { id: deadLetterId },
    query: order,
    answers: { 204: ['dropped', null] },
    problems: ['TERCET_DEAD_LETTER_UNKNOWN', ...WRITES],
  },
  'get /v1/locks': {
    id: 'listLocks',
    summary: 'Who has which lock, by name',
    roles: 'any role',
    query: locks,
    answers: { 200: found('Locks') },
    problems: [],
  },
  'get /v1/locks/{name}': {
    id: 'getLock',
    summary: 'Who has a lock, and from whom a person took it',
    roles: 'any role',
    names: { name: lockName },
    answers: { 200: found('OneLock') },
    problems: ['TERCET_LOCK_UNKNOWN'],
  },
  'post /v1/locks/{name}/release': {
    id: 'releaseLock',
    summary: 'Take a lock from its holder, whose token then counts no more',
    roles: ['operator'],
    names: { name: lockName },
    body: order,
    answers: { 200: ['it was taken, from this holder', 'Lock'] },
    problems: ['TERCET_LOCK_UNKNOWN', ...WRITES],
  },
};
