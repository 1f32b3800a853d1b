/** The calls of the configuration center: docs/wire.md, section 10. */
import type { ErrorCode } from '../protocol/errors.js';
import {
  auditPage,
  comparison,
  draftDrop,
  draftPut,
  environmentName,
  lockGive,
  lockRenew,
  lockTake,
  namespaceName,
  namespacePut,
  preview,
  release,
  releaseNumber,
  releasePage,
  report,
  rollback,
  rolloutEnd,
  values,
  widen,
} from '../protocol/config-schema.js';
import { order } from '../protocol/schema.js';
import { found, WRITES } from './openapi-call.js';
import type { Call } from './openapi-call.js';

const names = { environment: environmentName, namespace: namespaceName, release: releaseNumber };
const UNKNOWN = 'TERCET_CONFIG_UNKNOWN';
const LOCKED: readonly ErrorCode[] = ['TERCET_CONFIG_LOCKED', 'TERCET_CONFIG_LOCK_LOST'];

const LOOKS = { roles: 'any role', names, problems: [UNKNOWN] } as const satisfies Partial<Call>;
const EDITS = { roles: ['config-editor'], names, problems: [UNKNOWN, ...WRITES] } as const satisfies Partial<Call>;
/** What a new release and one that brings back an old one have in common. */
const RELEASES = {
  roles: ['config-releaser'],
  names,
  answers: {
    201: ['released; of a strict one, `rollout` says how far it is', 'ConfigRelease'],
    200: ['what it would be; nothing was written', 'ConfigRelease'],
  },
  problems: [
    UNKNOWN,
    'TERCET_CONFIG_CONFLICT',
    'TERCET_CONFIG_LOCKED',
    'TERCET_CONFIG_ROLLOUT_STATE',
    'TERCET_CONFIG_INVALID',
    'TERCET_CONFIG_STRICT_UNSUPPORTED',
    'TERCET_CONFIG_CORRUPT',
    ...WRITES,
  ],
} as const satisfies Partial<Call>;
const ROLLS = {
  roles: ['config-releaser'],
  names,
  answers: { 200: ['as it is then', 'ConfigRollout'] },
  problems: [UNKNOWN, 'TERCET_CONFIG_ROLLOUT_STATE', ...WRITES],
} as const satisfies Partial<Call>;

const OF = '/v1/config/{environment}';
const NS = `${OF}/namespaces/{namespace}`;

export const CONFIG_CALLS: Readonly<Record<string, Call>> = {
  'get /v1/config': {
    id: 'listEnvironments',
    summary: 'All environments, by name',
    roles: 'any role',
    answers: { 200: found('ConfigEnvironments') },
    problems: [],
  },
  [`get ${OF}/namespaces`]: {
    id: 'listNamespaces',
    summary: 'The namespaces of an environment, by name',
    ...LOOKS,
    answers: { 200: found('ConfigNamespaces') },
  },
  [`get ${NS}`]: {
    id: 'getNamespace',
    summary: 'One namespace: what is in force, its draft, who edits it',
    ...LOOKS,
    answers: { 200: found('ConfigNamespace') },
    problems: [UNKNOWN, 'TERCET_CONFIG_CORRUPT'],
  },
  [`put ${NS}`]: {
    id: 'putNamespace',
    summary: 'Make a namespace, or change what may stand in it',
    ...EDITS,
    body: namespacePut,
    answers: { 201: ['made', 'ConfigNamespace'], 200: ['changed, or was the same', 'ConfigNamespace'] },
    problems: [
      'TERCET_CONFIG_SECRET_FORBIDDEN',
      'TERCET_CONFIG_SCHEMA_INVALID',
      'TERCET_CONFIG_INVALID',
      'TERCET_CONFIG_CORRUPT',
      ...WRITES,
    ],
  },
  [`put ${NS}/draft`]: {
    id: 'putDraft',
    summary: 'Write the draft of a namespace; one that does not fit is kept, and says so',
    ...EDITS,
    body: draftPut,
    answers: { 200: ['written', 'ConfigDraft'] },
    problems: [
      ...EDITS.problems,
      ...LOCKED,
      'TERCET_CONFIG_CONFLICT',
      'TERCET_CONFIG_INVALID',
      'TERCET_CONFIG_SECRETS_OFF',
      'TERCET_CONFIG_CORRUPT',
    ],
  },
  [`delete ${NS}/draft`]: {
    id: 'dropDraft',
    summary: 'Drop the draft of a namespace',
    ...EDITS,
    query: draftDrop,
    answers: { 204: ['dropped', null] },
    problems: [...EDITS.problems, ...LOCKED, 'TERCET_CONFIG_CONFLICT'],
  },
  [`post ${NS}/lock`]: {
    id: 'takeEditLock',
    summary: 'Take the edit lock of a namespace',
    ...EDITS,
    body: lockTake,
    answers: { 200: ['it is yours', 'ConfigEditLock'] },
    problems: [UNKNOWN, 'TERCET_CONFIG_LOCKED'],
  },
  [`post ${NS}/lock/renew`]: {
    id: 'renewEditLock',
    summary: 'Keep the edit lock of a namespace for longer',
    ...EDITS,
    body: lockRenew,
    answers: { 200: ['it is yours for longer', 'ConfigEditLock'] },
    problems: [UNKNOWN, 'TERCET_CONFIG_LOCK_LOST'],
  },
  [`delete ${NS}/lock`]: {
    id: 'giveEditLock',
    summary: 'Give the edit lock of a namespace back',
    ...EDITS,
    query: lockGive,
    answers: { 204: ['it is not yours any more', null] },
    problems: [UNKNOWN],
  },
  [`post ${OF}/releases`]: {
    id: 'release',
    summary:
      'Put drafts in force: for all at once, for a part of the instances, or for all coordinators at one instant',
    ...RELEASES,
    body: release,
  },
  [`get ${OF}/releases`]: {
    id: 'listReleases',
    summary: 'Releases, newest first, page by page',
    ...LOOKS,
    query: releasePage,
    answers: { 200: found('ConfigReleases') },
  },
  [`get ${OF}/releases/{release}`]: {
    id: 'getRelease',
    summary: 'One release: its contents, and what it changed',
    ...LOOKS,
    answers: { 200: found('ConfigRelease') },
    problems: [UNKNOWN, 'TERCET_CONFIG_CORRUPT'],
  },
  [`post ${OF}/releases/{release}/rollback`]: {
    id: 'rollback',
    summary: 'Make a release of what was in force right after an earlier one',
    ...RELEASES,
    body: rollback,
  },
  [`get ${OF}/diff`]: {
    id: 'getDiff',
    summary: 'What differs between two releases, a draft, and what is in force',
    ...LOOKS,
    query: comparison,
    answers: { 200: ['the namespaces that differ', 'ConfigDiff'] },
    problems: [UNKNOWN, 'TERCET_CONFIG_CORRUPT'],
  },
  [`get ${OF}/rollout`]: {
    id: 'getRollout',
    summary: 'The rollout that has not ended, or else the last one',
    ...LOOKS,
    answers: { 200: found('ConfigRollout') },
  },
  [`post ${OF}/rollout/promote`]: {
    id: 'promoteRollout',
    summary: 'Put a gray release in force for all',
    ...ROLLS,
    problems: [...ROLLS.problems, 'TERCET_CONFIG_INVALID', 'TERCET_CONFIG_CONFLICT'],
    body: rolloutEnd,
  },
  [`post ${OF}/rollout/abort`]: {
    id: 'abortRollout',
    summary: 'Take a gray release back, or a strict one that is prepared',
    ...ROLLS,
    body: rolloutEnd,
  },
  [`post ${OF}/rollout/widen`]: {
    id: 'widenRollout',
    summary: 'Change for whom a gray release is',
    ...ROLLS,
    body: widen,
  },
  [`get ${OF}/rollout/preview`]: {
    id: 'previewRollout',
    summary: 'Whom of the live instances a selector finds',
    ...LOOKS,
    query: preview,
    answers: { 200: ['those, and of how many', 'ConfigPreview'] },
  },
  [`get ${OF}/values`]: {
    id: 'getValues',
    summary: 'What an instance gets; with `have` and `waitMs`, a long poll',
    ...LOOKS,
    query: values,
    answers: {
      200: ['other than what it has; with `Prefer: return=minimal` without `namespaces`', 'ConfigValues'],
      204: ['still what it has', null],
    },
    problems: [UNKNOWN, 'TERCET_CONFIG_SECRET_FORBIDDEN', 'TERCET_CONFIG_CORRUPT'],
  },
  [`put ${OF}/nodes/{instance}`]: {
    id: 'putReport',
    summary: 'What an instance says of what it got',
    roles: ['config-reader'],
    names,
    body: report,
    answers: { 204: ['noted', null] },
    problems: [UNKNOWN, ...WRITES],
  },
  [`get ${OF}/nodes`]: {
    id: 'listConfigNodes',
    summary: 'Instances: what each should have, and what it said it took',
    ...LOOKS,
    answers: { 200: found('ConfigNodes') },
  },
  [`get ${OF}/audit`]: {
    id: 'listConfigAudit',
    summary: 'Who changed what and why, newest first, page by page',
    ...LOOKS,
    query: auditPage,
    answers: { 200: found('ConfigAudit') },
  },
  'post /v1/config-keys/rotate': {
    id: 'rotateConfigKeys',
    summary: 'Wrap the keys of secrets with the first master key',
    roles: ['admin'],
    body: order,
    answers: { 200: ['done', 'ConfigKeysRotated'] },
    problems: ['TERCET_CONFIG_SECRETS_OFF', 'TERCET_CONFIG_CORRUPT', ...WRITES],
  },
};
