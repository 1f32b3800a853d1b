/** The configuration center: drafts, releases, rollouts, and what nodes report of them. */
import type {
  ConfigAuditView,
  ConfigContent,
  ConfigDiffView,
  ConfigEnvironmentView,
  ConfigNodeView,
  ConfigReport,
  DraftView,
  EditLockView,
  NamespaceSummary,
  NamespaceView,
  ReleaseSummary,
  ReleaseView,
  RolloutView,
  Selector,
} from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';
import type {
  DraftDrop,
  DraftWrite,
  EditClaim,
  NamespacePut,
  Page,
  ReleaseOrder,
  RollbackOrder,
  WidenOrder,
} from './orders.js';
import type { CenterParts } from './parts.js';

export interface Released {
  readonly view: ReleaseView;
  /** Row id of its gray or strict rollout. */
  readonly rollout: number | null;
}

/** What is compared: what was in force right after a release, what is in force, or the drafts over it. */
export type DiffSide = number | 'draft' | 'current';

export class ConfigCenter {
  constructor(private readonly parts: CenterParts) {}

  environments(): Promise<{ environments: ConfigEnvironmentView[] }> {
    return this.missing();
  }

  namespaces(environment: string): Promise<{ namespaces: NamespaceSummary[] }> {
    return this.missing(environment);
  }

  namespace(environment: string, namespace: string): Promise<NamespaceView> {
    return this.missing(environment, namespace);
  }

  put(
    environment: string,
    namespace: string,
    put: NamespacePut,
    who: string,
  ): Promise<{ created: boolean; view: NamespaceView }> {
    return this.missing(environment, namespace, put, who);
  }

  writeDraft(environment: string, namespace: string, write: DraftWrite, who: string): Promise<DraftView> {
    return this.missing(environment, namespace, write, who);
  }

  dropDraft(environment: string, namespace: string, order: DraftDrop, who: string): Promise<void> {
    return this.missing(environment, namespace, order, who);
  }

  lock(environment: string, namespace: string, ttlMs: number, who: string): Promise<EditLockView> {
    return this.missing(environment, namespace, ttlMs, who);
  }

  renew(
    environment: string,
    namespace: string,
    claim: EditClaim & { ttlMs: number },
    who: string,
  ): Promise<EditLockView> {
    return this.missing(environment, namespace, claim, who);
  }

  unlock(environment: string, namespace: string, claim: EditClaim): Promise<void> {
    return this.missing(environment, namespace, claim);
  }

  release(environment: string, order: ReleaseOrder, who: string): Promise<Released> {
    return this.missing(environment, order, who);
  }

  rollback(environment: string, number: number, order: RollbackOrder, who: string): Promise<Released> {
    return this.missing(environment, number, order, who);
  }

  releases(environment: string, page: Page): Promise<{ releases: ReleaseSummary[]; next: number | null }> {
    return this.missing(environment, page);
  }

  releaseOf(environment: string, number: number): Promise<ReleaseView> {
    return this.missing(environment, number);
  }

  diff(environment: string, from: DiffSide, to: DiffSide, namespace?: string): Promise<ConfigDiffView> {
    return this.missing(environment, from, to, namespace);
  }

  rollout(environment: string): Promise<RolloutView> {
    return this.missing(environment);
  }

  promote(environment: string, reason: string, who: string): Promise<RolloutView> {
    return this.missing(environment, reason, who);
  }

  abort(environment: string, reason: string, who: string): Promise<RolloutView> {
    return this.missing(environment, reason, who);
  }

  widen(environment: string, order: WidenOrder, who: string): Promise<RolloutView> {
    return this.missing(environment, order, who);
  }

  preview(environment: string, selector: Selector): Promise<{ matches: string[]; of: number }> {
    return this.missing(environment, selector);
  }

  report(environment: string, instance: string, report: ConfigReport): Promise<void> {
    return this.missing(environment, instance, report);
  }

  nodes(environment: string): Promise<{ nodes: ConfigNodeView[] }> {
    return this.missing(environment);
  }

  audit(environment: string, page: Page): Promise<{ entries: ConfigAuditView[]; next: number | null }> {
    return this.missing(environment, page);
  }

  rotate(reason: string, who: string): Promise<number> {
    return this.missing(reason, who);
  }

  reveal(environment: string, namespace: string, stored: string, how: 'plain' | 'masked'): Promise<ConfigContent> {
    return this.missing(environment, namespace, stored, how);
  }

  private missing(...asked: unknown[]): never {
    this.parts.logger.error({ asked: asked.length }, 'not there yet');
    throw new TercetError('TERCET_INTERNAL', 'not there yet');
  }
}
