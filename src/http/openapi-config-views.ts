/** What the configuration center answers, as JSON schemas. */
import type {
  ConfigAuditView,
  ConfigDiffView,
  ConfigEnvironmentView,
  ConfigNodeView,
  ConfigRule,
  DraftView,
  EditLockView,
  EditorView,
  NamespaceSummary,
  NamespaceView,
  ReleaseSummary,
  ReleaseView,
  RolloutView,
  Selector,
  ValuesView,
} from '../protocol/config.js';
import {
  anyJson,
  byName,
  change,
  count,
  fieldError,
  flag,
  list,
  number,
  object,
  oneOf,
  orNull,
} from './openapi-fields.js';
import { text, time, view } from './openapi-fields.js';
import type { Fields, Schema } from './openapi-fields.js';

const content = byName(anyJson);

const rule = object<ConfigRule>(
  { path: text, is: oneOf('<', '<=', '>', '>=', '=', '!='), than: text, times: number, message: text },
  ['times', 'message'],
);
const namespaceSummary: Fields<NamespaceSummary> = {
  environment: text,
  namespace: text,
  about: text,
  release: orNull(count),
  hasDraft: flag,
};
const releaseSummary: Fields<ReleaseSummary> = {
  environment: text,
  release: count,
  mode: oneOf('all', 'gray', 'strict'),
  state: oneOf('pending', 'in force', 'replaced', 'taken back'),
  restores: orNull(count),
  namespaces: list(text),
  checksum: text,
  by: text,
  at: time,
  reason: text,
};
const node: Fields<ConfigNodeView> = {
  instance: text,
  incarnation: text,
  labels: byName(text),
  isAlive: flag,
  reportedAt: time,
  namespaces: byName(
    object<ConfigNodeView['namespaces'][string]>({
      desired: orNull(count),
      applied: orNull(count),
      state: oneOf('applied', 'late', 'rejected'),
      since: orNull(time),
      reason: orNull(text),
    }),
  ),
};

export const CONFIG_VIEWS = {
  ConfigEnvironments: object<{ environments: ConfigEnvironmentView[] }>({
    environments: list(
      object<ConfigEnvironmentView>({
        environment: text,
        namespaces: count,
        lastRelease: count,
        revision: count,
        rollout: orNull(view('ConfigRollout')),
      }),
    ),
  }),
  ConfigNamespaces: object<{ namespaces: NamespaceSummary[] }>({ namespaces: list(object(namespaceSummary)) }),
  ConfigNamespace: object<NamespaceView>({
    ...namespaceSummary,
    isBuiltIn: flag,
    schema: anyJson,
    rules: list(rule),
    content: orNull(content),
    checksum: orNull(text),
    draft: orNull(view('ConfigDraft')),
    editor: orNull(object<EditorView>({ name: text, since: time, until: time })),
  }),
  ConfigDraft: object<DraftView>({
    base: orNull(count),
    revision: count,
    content,
    by: text,
    at: time,
    reason: text,
    problems: list(fieldError),
  }),
  ConfigEditLock: object<EditLockView>({ id: text, token: count, until: time }),
  ConfigReleases: object<{ releases: ReleaseSummary[]; next: number | null }>({
    releases: list(object(releaseSummary)),
    next: orNull(count),
  }),
  ConfigRelease: object<ReleaseView>({
    ...releaseSummary,
    contents: byName(object<ReleaseView['contents'][string]>({ base: orNull(count), checksum: text, content })),
    changes: byName(list(change)),
    rollout: orNull(view('ConfigRollout')),
  }),
  ConfigRollout: object<RolloutView>({
    environment: text,
    release: count,
    mode: oneOf('gray', 'strict'),
    state: oneOf('preparing', 'running', 'done', 'aborted'),
    selector: orNull(object<Selector>({ labels: byName(text), percent: number })),
    deadlineAt: orNull(time),
    by: text,
    startedAt: time,
    endedAt: orNull(time),
    why: orNull(text),
    acks: list(object<RolloutView['acks'][number]>({ member: text, isReady: flag, why: orNull(text) })),
  }),
  ConfigDiff: object<ConfigDiffView>({ from: text, to: text, namespaces: byName(list(change)) }),
  ConfigPreview: object<{ matches: string[]; of: number }>({ matches: list(text), of: count }),
  ConfigValues: object<ValuesView>({
    environment: text,
    revision: count,
    checksum: text,
    namespaces: byName(object<ValuesView['namespaces'][string]>({ release: count, content })),
  }),
  ConfigNodes: object<{ nodes: ConfigNodeView[] }>({ nodes: list(object(node)) }),
  ConfigAudit: object<{ entries: ConfigAuditView[]; next: number | null }>({
    entries: list(
      object<ConfigAuditView>({
        id: count,
        at: time,
        by: text,
        action: text,
        environment: text,
        namespace: orNull(text),
        release: orNull(count),
        reason: orNull(text),
        changes: orNull(list(change)),
      }),
    ),
    next: orNull(count),
  }),
  ConfigKeysRotated: object<{ wrapped: number }>({ wrapped: count }),
} as const satisfies Record<string, Schema>;
