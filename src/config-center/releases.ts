/** Releases: immutable, numbered, each of one or more namespaces at once. */
import { changesBetween } from '../config/diff.js';
import { masked } from '../config/secret.js';
import type {
  ConfigChange,
  ConfigContent,
  ConfigDiffView,
  ReleaseMode,
  ReleaseSummary,
  ReleaseView,
} from '../protocol/config.js';
import type { CenterParts } from './parts.js';
import type { EditLocks } from './edit-locks.js';
import { draftOf, inForce, lastReleaseOf, namespaceRow, namespaceRows } from './namespace-rows.js';
import type { Page, ReleaseOrder, RollbackOrder } from './orders.js';
import { checksumOfRelease, Publishing } from './publishing.js';
import { afterwards, corrupt, unknown } from './refusals.js';
import type { Planning, ReleasePlan } from './release-plan.js';
import type { Rollouts } from './rollouts.js';
import { CONTENTS_AFTER, RELEASE, RELEASE_CONTENTS, RELEASES } from './statements.js';
import { verified } from './vault.js';
import type { StoredContent } from './vault.js';

export interface Released {
  readonly view: ReleaseView;
  /** Row id of its gray or strict rollout. */
  readonly rollout: number | null;
}

/** What is compared: what was in force right after a release, what is in force, or the drafts over it. */
export type DiffSide = number | 'draft' | 'current';

interface ReleaseRow {
  environment: string;
  number: number;
  mode: ReleaseMode;
  restores: number | null;
  checksum: string;
  reason: string;
  released_by: string;
  released_at: Date;
  state: ReleaseSummary['state'];
}

interface ContentRow extends StoredContent {
  namespace: string;
  base: number | null;
  base_content: string | null;
  base_checksum: string | null;
}

export class Releases {
  private readonly publishing: Publishing;

  constructor(
    private readonly parts: CenterParts,
    private readonly planning: Planning,
    private readonly rollouts: Rollouts,
    private readonly editLocks: EditLocks,
  ) {
    this.publishing = new Publishing(parts);
  }

  /** From drafts. What another person edits is not released. */
  async release(environment: string, order: ReleaseOrder, who: string): Promise<Released> {
    await lastReleaseOf(this.parts.database, environment);
    await this.publishing.check(environment, order);
    const plan = await this.planning.ofDrafts(environment, order.namespaces ?? null);
    if (order.dryRun) return { view: await this.planned(plan, order, who), rollout: null };
    const names = plan.contents.map(({ namespace }) => namespace);
    const { number, rollout } = await this.editLocks.during(environment, names, who, 'passed', (grips) =>
      this.publishing.publish(plan, order, who, grips),
    );
    return { view: await afterwards(this.view(environment, number)), rollout };
  }

  /** A new release with the contents of an old one. Drafts stay as they are, and edit locks do not hold it up. */
  async rollback(environment: string, number: number, order: RollbackOrder, who: string): Promise<Released> {
    await lastReleaseOf(this.parts.database, environment);
    await this.publishing.check(environment, order);
    const plan = await this.planning.ofRelease(environment, number);
    if (order.dryRun) return { view: await this.planned(plan, order, who), rollout: null };
    const published = await this.publishing.publish(plan, order, who, []);
    return { view: await afterwards(this.view(environment, published.number)), rollout: published.rollout };
  }

  /** The newest first. */
  async page(
    environment: string,
    { limit, before }: Page,
  ): Promise<{ releases: ReleaseSummary[]; next: number | null }> {
    type Row = ReleaseRow & { namespaces: string[] };
    const rows = await this.parts.database.read<Row>(RELEASES, [environment, before, limit + 1], 'list');
    if (rows.length === 0) await lastReleaseOf(this.parts.database, environment);
    const releases = rows.slice(0, limit).map((row) => summaryOf(row, row.namespaces));
    return { releases, next: rows.length > limit ? (releases.at(-1)?.release ?? null) : null };
  }

  /** @throws TercetError: there is none, or it is not what was released any more */
  async view(environment: string, number: number): Promise<ReleaseView> {
    const [row] = await this.parts.database.read<ReleaseRow>(RELEASE, [environment, number]);
    if (!row) throw unknown(`release ${number} in the environment '${environment.slice(0, 100)}'`);
    const stored = await this.parts.database.read<ContentRow>(RELEASE_CONTENTS, [environment, number]);
    if (checksumOfRelease(stored) !== row.checksum) {
      throw corrupt(environment, stored.map(({ namespace }) => namespace).join(','), `release ${number} is incomplete`);
    }
    const contents: ReleaseView['contents'] = {};
    const changes: Record<string, ConfigChange[]> = {};
    for (const each of stored) {
      const { namespace, base, checksum } = each;
      const content = verified(environment, namespace, each);
      contents[namespace] = { base, checksum, content: masked(content) as ConfigContent };
      changes[namespace] = changesBetween(baseOf(environment, each), content);
    }
    const summary = summaryOf(row, Object.keys(contents));
    return { ...summary, contents, changes, rollout: await this.rollouts.ofRelease(environment, number) };
  }

  /** Of all namespaces, or of one. */
  async diff(environment: string, from: DiffSide, to: DiffSide, namespace: string | null): Promise<ConfigDiffView> {
    if (namespace !== null) await namespaceRow(this.parts.database, environment, namespace);
    const [was, is] = [await this.side(environment, from, namespace), await this.side(environment, to, namespace)];
    const namespaces: Record<string, ConfigChange[]> = {};
    for (const name of [...new Set([...was.keys(), ...is.keys()])].sort()) {
      const changes = changesBetween(was.get(name) ?? {}, is.get(name) ?? {});
      if (changes.length > 0) namespaces[name] = changes;
    }
    return { from: String(from), to: String(to), namespaces };
  }

  private async side(
    environment: string,
    side: DiffSide,
    namespace: string | null,
  ): Promise<Map<string, ConfigContent>> {
    const { database } = this.parts;
    if (typeof side === 'number') {
      const [release] = await database.read(RELEASE, [environment, side]);
      if (!release) throw unknown(`release ${side} in the environment '${environment.slice(0, 100)}'`);
      type Row = StoredContent & { namespace: string };
      const stored = await database.read<Row>(CONTENTS_AFTER, [environment, side, namespace]);
      return new Map(stored.map((row) => [row.namespace, verified(environment, row.namespace, row)]));
    }
    const rows = await namespaceRows(database, environment, namespace === null ? null : [namespace]);
    return new Map(
      rows.flatMap((row) => {
        const content = (side === 'draft' ? draftOf(row) : null) ?? inForce(row);
        return content ? [[row.name, content] as const] : [];
      }),
    );
  }

  /** What it would be. */
  private async planned(plan: ReleasePlan, { mode, reason }: RollbackOrder, who: string): Promise<ReleaseView> {
    const contents: ReleaseView['contents'] = {};
    const changes: Record<string, ConfigChange[]> = {};
    for (const planned of plan.contents) {
      const { namespace, base, checksum, content } = planned;
      contents[namespace] = { base, checksum, content: masked(content) as ConfigContent };
      changes[namespace] = planned.changes;
    }
    return {
      environment: plan.environment,
      release: await this.planning.nextNumber(plan),
      mode,
      state: 'pending',
      restores: plan.restores,
      namespaces: Object.keys(contents),
      checksum: checksumOfRelease(plan.contents),
      by: who,
      at: new Date(this.parts.clock.now()).toISOString(),
      reason,
      contents,
      changes,
      rollout: null,
    };
  }
}

function summaryOf(row: ReleaseRow, namespaces: string[]): ReleaseSummary {
  const { environment, number: release, mode, state, restores, checksum, released_by: by, reason } = row;
  return {
    environment,
    release,
    mode,
    state,
    restores,
    namespaces,
    checksum,
    by,
    at: row.released_at.toISOString(),
    reason,
  };
}

function baseOf(environment: string, { namespace, base, base_content, base_checksum }: ContentRow): ConfigContent {
  if (base === null) return {};
  if (base_content === null || base_checksum === null) {
    throw corrupt(environment, namespace, `the content of release ${base} is gone`);
  }
  return verified(environment, namespace, { content: base_content, checksum: base_checksum });
}
