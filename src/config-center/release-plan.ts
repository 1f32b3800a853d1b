/** What a release would put in force: looked up and validated before anything is locked. */
import { setImmediate } from 'node:timers/promises';
import { changesBetween } from '../config/diff.js';
import { CONFIG_LIMITS } from '../protocol/config.js';
import type { ConfigChange, ConfigContent, ReleaseSummary } from '../protocol/config.js';
import type { FieldError } from '../protocol/errors.js';
import type { Database } from '../storage/database.js';
import type { Drafts } from './drafts.js';
import { draftRevision, inForce, lastReleaseOf, namespaceRows } from './namespace-rows.js';
import type { NamespaceRow } from './namespace-rows.js';
import { badField, conflict, unfit, unknown, wrongState } from './refusals.js';
import { CONTENTS_AFTER, RELEASE, RELEASE_CONTENTS } from './statements.js';
import type { Validation } from './validation.js';
import { checksumOfText, verified } from './vault.js';
import type { StoredContent } from './vault.js';

/** Of one namespace. */
export interface PlannedContent {
  readonly namespace: string;
  /** In force before it; null: nothing was. */
  readonly base: number | null;
  /** Of its draft, 0: there is none. */
  readonly revision: number;
  /** Of what it was validated by. */
  readonly terms: string;
  /** Secrets sealed. */
  readonly text: string;
  readonly checksum: string;
  readonly content: ConfigContent;
  /** Against what is in force, masked. */
  readonly changes: ConfigChange[];
}

export interface ReleasePlan {
  readonly environment: string;
  /** By namespace, in the order of their names. */
  readonly contents: readonly PlannedContent[];
  /** The release whose contents come back; null: they come from drafts. */
  readonly restores: number | null;
}

export class Planning {
  constructor(
    private readonly database: Database,
    private readonly drafts: Drafts,
    private readonly validation: Validation,
  ) {}

  /** @throws TercetError: there is nothing to release, a draft is based on an older release, or does not fit */
  async ofDrafts(environment: string, names: readonly string[] | null): Promise<ReleasePlan> {
    const wanted = names && [...new Set(names)];
    const rows = await namespaceRows(this.database, environment, wanted);
    const drafted = rows.filter(({ draft }) => draft !== null);
    const without = wanted && rows.find(({ draft }) => draft === null);
    if (without) throw conflict(`${environment}/${without.name} has no draft: there is nothing to release`);
    if (drafted.length === 0) throw conflict(`nothing is drafted in '${environment}': there is nothing to release`);
    for (const row of drafted) await this.drafts.compareBase(row, row.draft_base);
    const contents = drafted.map((row) => plannedOf(row, row.draft ?? ''));
    const bytes = contents.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
    if (bytes > CONFIG_LIMITS.releaseBytes) {
      throw badField(
        'namespaces',
        `have ${bytes} bytes together, of ${CONFIG_LIMITS.releaseBytes}: release fewer at once`,
      );
    }
    await this.validate(drafted, contents);
    return { environment, contents, restores: null };
  }

  /** What was in force right after that release, where it differs. @throws TercetError: it never was, or nothing differs */
  async ofRelease(environment: string, number: number): Promise<ReleasePlan> {
    const rows = await namespaceRows(this.database, environment, null);
    const [release] = await this.database.read<{ state: ReleaseSummary['state'] }>(RELEASE, [environment, number]);
    if (!release) throw unknown(`release ${number} in the environment '${environment}'`);
    if (release.state === 'pending' || release.state === 'taken back') {
      throw wrongState(`release ${number} of '${environment}' never was in force for all; roll back to one that was`);
    }
    const values = [environment, number, null];
    const then = await this.database.read<StoredContent & { namespace: string }>(CONTENTS_AFTER, values);
    const differing = rows.flatMap((row) => {
      const stored = then.find(({ namespace }) => namespace === row.name);
      if (!stored || stored.checksum === row.checksum) return [];
      verified(environment, row.name, stored);
      return [{ row, planned: plannedOf(row, stored.content) }];
    });
    if (differing.length === 0) throw conflict(`what is in force in '${environment}' is what release ${number} left`);
    const contents = differing.map(({ planned }) => planned);
    await this.validate(
      differing.map(({ row }) => row),
      contents,
    );
    return { environment, contents, restores: number };
  }

  /** What a gray release has, as it would come into force for all now. @throws TercetError: it does not fit any more */
  async ofGray(environment: string, number: number): Promise<ReleasePlan> {
    type Row = StoredContent & { namespace: string };
    const stored = await this.database.read<Row>(RELEASE_CONTENTS, [environment, number]);
    const rows = await namespaceRows(
      this.database,
      environment,
      stored.map(({ namespace }) => namespace),
    );
    const contents = rows.flatMap((row) => {
      const own = stored.find(({ namespace }) => namespace === row.name);
      if (!own) return [];
      verified(environment, row.name, own);
      return [plannedOf(row, own.content)];
    });
    await this.validate(rows, contents);
    return { environment, contents, restores: number };
  }

  /** The number that it will have if nobody else releases before. */
  async nextNumber({ environment }: ReleasePlan): Promise<number> {
    return (await lastReleaseOf(this.database, environment)) + 1;
  }

  private async validate(rows: readonly NamespaceRow[], contents: readonly PlannedContent[]): Promise<void> {
    const problems: FieldError[] = [];
    for (const [index, row] of rows.entries()) {
      // Each may take as long as a check may: whatever else the node does goes on in between.
      await setImmediate();
      const found = await this.validation.problems(row, contents[index]?.text ?? '');
      problems.push(...found.map(({ path, message }) => ({ path: within(row.name, path), message })));
    }
    if (problems.length > 0)
      throw unfit('the contents do not fit their schemas and rules; nothing was released', problems);
  }
}

function plannedOf(row: NamespaceRow, text: string): PlannedContent {
  const content = JSON.parse(text) as ConfigContent;
  return {
    namespace: row.name,
    base: row.release,
    revision: draftRevision(row),
    terms: row.terms,
    text,
    checksum: checksumOfText(text),
    content,
    changes: changesBetween(inForce(row) ?? {}, content),
  };
}

function within(namespace: string, path: string): string {
  return path === '' || path.startsWith('/') ? `${namespace}${path}` : `${namespace}/${path}`;
}
