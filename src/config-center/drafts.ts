/**
 * Drafts: what the next release would have. A write names what it is based on, the release in force and the revision of
 * the draft; one that is based on something else changes nothing, and says what differs.
 */
import { changesBetween } from '../config/diff.js';
import { masked } from '../config/secret.js';
import type { ConfigChange, ConfigContent, DraftView } from '../protocol/config.js';
import type { Database } from '../storage/database.js';
import { auditStatement } from './audit.js';
import { checkForm } from './content-form.js';
import { areHeld, lost } from './edit-locks.js';
import type { EditLocks, Grip } from './edit-locks.js';
import { draftOf, draftRevision, inForce, namespaceRow } from './namespace-rows.js';
import type { NamespaceRow } from './namespace-rows.js';
import type { DraftDrop, DraftWrite } from './orders.js';
import { afterwards, conflict, unknown } from './refusals.js';
import { CONTENT, DROP_DRAFT, LOCK_NAMESPACE, WRITE_DRAFT } from './statements.js';
import type { Validation } from './validation.js';
import { storedText, verified } from './vault.js';
import type { StoredContent, Vault } from './vault.js';

/** What came of a transaction: `stale` and `lost` changed nothing. */
type Ending<T> = T | 'stale' | 'lost';

type Written = Pick<NamespaceRow, 'draft_revision' | 'drafted_at'>;

export class Drafts {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly validation: Validation,
    private readonly editLocks: EditLocks,
  ) {}

  /** Null: there is none. */
  async view(row: NamespaceRow): Promise<DraftView | null> {
    const content = draftOf(row);
    if (row.draft === null || content === null) return null;
    return {
      base: row.draft_base,
      revision: row.draft_revision,
      content: masked(content) as ConfigContent,
      by: row.drafted_by ?? '',
      at: row.drafted_at?.toISOString() ?? '',
      reason: row.draft_reason ?? '',
      problems: await this.validation.shownProblems(row, row.draft),
    };
  }

  /**
   * @param mayRead whether `who` may see its secrets in clear
   * @throws TercetError TERCET_CONFIG_CONFLICT with what differs; _LOCKED; _LOCK_LOST; and nothing was written
   */
  async write(
    environment: string,
    namespace: string,
    write: DraftWrite,
    who: string,
    mayRead: boolean,
  ): Promise<DraftView> {
    checkForm(write.content);
    const row = await namespaceRow(this.database, environment, namespace);
    const { lock } = write;
    const grip = lock && (await this.editLocks.grip(environment, namespace, lock));
    await this.compare(row, write, mayRead);
    const isStale = row.draft !== null && row.draft_base !== write.base;
    const prior = { draft: draftOf(row), inForce: inForce(row), isStale, mayRead };
    const text = storedText(await this.vault.seal(environment, namespace, write.content, prior));
    const writing = (grips: Grip[]): Promise<Ending<Written>> => this.put(row, { ...write, text, who }, grips);
    const done = grip
      ? await writing([grip])
      : await this.editLocks.during(environment, [namespace], who, 'refused', writing);
    if (done === 'lost') throw lost(environment, namespace);
    if (done === 'stale') return this.refuse(environment, namespace, write, mayRead);
    const drafted = { draft: text, draft_base: write.base, drafted_by: who, draft_reason: write.reason };
    const view = await afterwards(this.view({ ...row, ...drafted, ...done }));
    if (!view) throw unknown(`draft of ${environment}/${namespace}`);
    return view;
  }

  /** @throws TercetError: there is none, or another one; TERCET_CONFIG_LOCKED: another person edits it */
  async drop(environment: string, namespace: string, { revision, reason }: DraftDrop, who: string): Promise<void> {
    const row = await namespaceRow(this.database, environment, namespace);
    if (row.draft === null) throw unknown(`draft of ${environment}/${namespace}`);
    const changes = changesBetween(draftOf(row) ?? {}, inForce(row) ?? {});
    const done = await this.editLocks.during(environment, [namespace], who, 'passed', (grips) =>
      this.database.inTransaction(async (client): Promise<Ending<true>> => {
        if (!(await areHeld(client, grips))) return 'lost';
        const { rows } = await client.query<NamespaceRow>(LOCK_NAMESPACE, [environment, namespace]);
        if (!rows[0] || draftRevision(rows[0]) !== revision) return 'stale';
        await client.query(DROP_DRAFT, [environment, namespace]);
        const entry = { by: who, action: 'draft dropped', environment, namespace, reason, changes };
        await client.query(auditStatement(entry));
        return true;
      }),
    );
    if (done === 'lost') throw lost(environment, namespace);
    if (done === 'stale')
      throw conflict(`the draft of ${environment}/${namespace} is another one now; look at it first`);
  }

  /** What the content of that release was, or {}. */
  async contentOf(environment: string, namespace: string, number: number | null): Promise<ConfigContent> {
    const [row] = await this.database.read<StoredContent>(CONTENT, [environment, number, namespace]);
    return row ? verified(environment, namespace, row) : {};
  }

  /** What has come into force since, where the draft is based on an older release. @throws TercetError if it is so */
  async compareBase(row: NamespaceRow, base: number | null): Promise<void> {
    const { environment, name, release } = row;
    if (base === release) return;
    const then = await this.contentOf(environment, name, base);
    const named = (number: number | null): string => (number === null ? 'no release' : `release ${number}`);
    const what = `${environment}/${name} is drafted on ${named(base)}, and ${named(release)} is in force`;
    throw conflict(
      `${what}; take over what has changed, and write the draft anew`,
      changesBetween(then, inForce(row) ?? {}),
    );
  }

  private async compare(row: NamespaceRow, write: DraftWrite, mayRead: boolean): Promise<void> {
    await this.compareBase(row, write.base);
    const { environment, name } = row;
    const there = draftRevision(row);
    if (there === (write.revision ?? 0)) return;
    const what = `the draft of ${environment}/${name} that this is based on`;
    const draft = draftOf(row);
    if (!draft) throw conflict(`${what} is gone: released or dropped; look at the namespace, and write again`);
    const prior = { draft, inForce: inForce(row), isStale: false, mayRead };
    const yours = await this.vault.likened(environment, name, write.content, prior);
    const whose = `revision ${there} by ${row.drafted_by} is there`;
    throw conflict(`${what} is not the last one: ${whose}; take over what differs`, changesBetween(draft, yours));
  }

  /** Something changed between looking and writing: what it was, is there to be seen now. */
  private async refuse(environment: string, namespace: string, write: DraftWrite, mayRead: boolean): Promise<never> {
    await this.compare(await namespaceRow(this.database, environment, namespace), write, mayRead);
    throw conflict(`${environment}/${namespace} was changed meanwhile; look at it, and write again`);
  }

  private put(
    row: NamespaceRow,
    { base, revision = 0, reason, text, who }: DraftWrite & { text: string; who: string },
    grips: Grip[],
  ): Promise<Ending<Written>> {
    const { environment, name: namespace } = row;
    const changes: ConfigChange[] = changesBetween(
      draftOf(row) ?? inForce(row) ?? {},
      JSON.parse(text) as ConfigContent,
    );
    return this.database.inTransaction(async (client) => {
      if (!(await areHeld(client, grips))) return 'lost';
      const { rows: there } = await client.query<NamespaceRow>(LOCK_NAMESPACE, [environment, namespace]);
      const [now] = there;
      if (!now || now.release !== base || draftRevision(now) !== revision) return 'stale';
      const { rows } = await client.query<Written>(WRITE_DRAFT, [environment, namespace, text, base, who, reason]);
      await client.query(auditStatement({ by: who, action: 'draft', environment, namespace, reason, changes }));
      return rows[0] ?? 'stale';
    });
  }
}
