/** The configuration center: drafts, releases, rollouts, and what nodes report of them. Each of its views is masked. */
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
import { Audit } from './audit.js';
import { DataKeys } from './data-keys.js';
import { Drafts } from './drafts.js';
import { EditLocks } from './edit-locks.js';
import { lastReleaseOf } from './namespace-rows.js';
import { Namespaces } from './namespaces.js';
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
import { afterwards } from './refusals.js';
import { Planning } from './release-plan.js';
import { Releases } from './releases.js';
import type { DiffSide, Released } from './releases.js';
import { Reports } from './reports.js';
import { Rollouts } from './rollouts.js';
import { Schemas } from './schemas.js';
import { ENVIRONMENTS } from './statements.js';
import { Validation } from './validation.js';
import { Vault } from './vault.js';

export class ConfigCenter {
  private readonly dataKeys: DataKeys;
  private readonly vault: Vault;
  private readonly editLocks: EditLocks;
  private readonly drafts: Drafts;
  private readonly spaces: Namespaces;
  private readonly reports: Reports;
  private readonly rollouts: Rollouts;
  private readonly published: Releases;
  private readonly log: Audit;

  constructor(private readonly parts: CenterParts) {
    const { database, keys, builtIn } = parts;
    const schemas = new Schemas();
    this.dataKeys = new DataKeys(database, keys);
    this.vault = new Vault(this.dataKeys);
    const validation = new Validation(builtIn, schemas, this.vault);
    this.editLocks = new EditLocks(parts);
    this.drafts = new Drafts(database, this.vault, validation, this.editLocks);
    this.spaces = new Namespaces(parts, schemas, this.editLocks, this.drafts);
    this.reports = new Reports(parts);
    const planning = new Planning(database, this.drafts, validation);
    this.rollouts = new Rollouts(parts, this.reports, planning);
    this.published = new Releases(parts, planning, this.rollouts, this.editLocks);
    this.log = new Audit(database);
  }

  async environments(): Promise<{ environments: ConfigEnvironmentView[] }> {
    const rows = await this.parts.database.read<Omit<ConfigEnvironmentView, 'rollout'>>(ENVIRONMENTS, [], 'list');
    const rollouts = await this.rollouts.unfinished();
    return { environments: rows.map((row) => ({ ...row, rollout: rollouts.get(row.environment) ?? null })) };
  }

  async namespaces(environment: string): Promise<{ namespaces: NamespaceSummary[] }> {
    return { namespaces: await this.spaces.list(environment) };
  }

  /** With what is in force and drafted, masked. */
  namespace(environment: string, namespace: string): Promise<NamespaceView> {
    return this.spaces.view(environment, namespace);
  }

  /** Makes the namespace, with its environment, or changes what is given. @param mayRead whether `who` may see its secrets in clear */
  async put(
    environment: string,
    namespace: string,
    put: NamespacePut,
    who: string,
    mayRead = false,
  ): Promise<{ created: boolean; view: NamespaceView }> {
    const created = await this.spaces.put(environment, namespace, put, who, mayRead);
    return { created, view: await afterwards(this.spaces.view(environment, namespace)) };
  }

  /**
   * @param mayRead whether `who` may see its secrets in clear
   * @throws TercetError TERCET_CONFIG_CONFLICT with what differs; TERCET_CONFIG_LOCKED, TERCET_CONFIG_LOCK_LOST; nothing was written
   */
  writeDraft(
    environment: string,
    namespace: string,
    write: DraftWrite,
    who: string,
    mayRead = false,
  ): Promise<DraftView> {
    return this.drafts.write(environment, namespace, write, who, mayRead);
  }

  dropDraft(environment: string, namespace: string, order: DraftDrop, who: string): Promise<void> {
    return this.drafts.drop(environment, namespace, order, who);
  }

  /** The edit lock; it ends by itself. @throws TercetError TERCET_CONFIG_LOCKED: somebody has it; TERCET_NOT_READY */
  lock(environment: string, namespace: string, ttlMs: number, who: string): Promise<EditLockView> {
    return this.editLocks.take(environment, namespace, ttlMs, who);
  }

  /** @throws TercetError TERCET_CONFIG_LOCK_LOST */
  renew(
    environment: string,
    namespace: string,
    claim: EditClaim & { ttlMs: number },
    who: string,
  ): Promise<EditLockView> {
    return this.editLocks.renew(environment, namespace, claim, who);
  }

  /** Also where it is not held any more. */
  unlock(environment: string, namespace: string, claim: EditClaim): Promise<void> {
    return this.editLocks.leave(environment, namespace, claim);
  }

  /** @throws TercetError TERCET_CONFIG_CONFLICT, _INVALID, _LOCKED, _ROLLOUT_STATE; nothing was released */
  release(environment: string, order: ReleaseOrder, who: string): Promise<Released> {
    return this.published.release(environment, order, who);
  }

  /** A new release with what was in force right after that one. */
  rollback(environment: string, number: number, order: RollbackOrder, who: string): Promise<Released> {
    return this.published.rollback(environment, number, order, who);
  }

  releases(environment: string, page: Page): Promise<{ releases: ReleaseSummary[]; next: number | null }> {
    return this.published.page(environment, page);
  }

  /** Masked. */
  releaseOf(environment: string, number: number): Promise<ReleaseView> {
    return this.published.view(environment, number);
  }

  /** Masked. */
  diff(environment: string, from: DiffSide, to: DiffSide, namespace?: string): Promise<ConfigDiffView> {
    return this.published.diff(environment, from, to, namespace ?? null);
  }

  /** The unfinished one, or else the last. */
  rollout(environment: string): Promise<RolloutView> {
    return this.rollouts.view(environment);
  }

  /** The gray release is in force for all. */
  promote(environment: string, reason: string, who: string): Promise<RolloutView> {
    return this.rollouts.promote(environment, reason, who);
  }

  /** A gray rollout, or a strict one while it is prepared. */
  abort(environment: string, reason: string, who: string): Promise<RolloutView> {
    return this.rollouts.abort(environment, reason, who);
  }

  /** What is absent stays. */
  widen(environment: string, order: WidenOrder, who: string): Promise<RolloutView> {
    return this.rollouts.widen(environment, order, who);
  }

  /** Whom a gray release would be for, among those that live. */
  preview(environment: string, selector: Selector): Promise<{ matches: string[]; of: number }> {
    return this.rollouts.preview(environment, selector);
  }

  /** A rejected gray release is taken back. */
  report(environment: string, instance: string, report: ConfigReport): Promise<void> {
    return this.reports.take(environment, instance, report);
  }

  async nodes(environment: string): Promise<{ nodes: ConfigNodeView[] }> {
    return { nodes: await this.reports.nodes(environment) };
  }

  async audit(environment: string, page: Page): Promise<{ entries: ConfigAuditView[]; next: number | null }> {
    await lastReleaseOf(this.parts.database, environment);
    return this.log.page(environment, page);
  }

  /** Wraps all data keys by the first master key. @returns how many */
  rotate(reason: string, who: string): Promise<number> {
    return this.dataKeys.rotate(reason, who);
  }

  /** As instances get it: secrets are plain strings. @param stored the text of a row; whoever reads it, checks it: {@link verified} */
  reveal(environment: string, namespace: string, stored: string, how: 'plain' | 'masked'): Promise<ConfigContent> {
    return this.vault.reveal(environment, namespace, stored, how);
  }
}
