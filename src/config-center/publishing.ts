/**
 * Puts a planned release into the database: immutable, under the next number, in one transaction with what it changes.
 * What was looked at while it was planned is compared once more under locks. Releases of one environment come one after the
 * other, and none while a rollout is unfinished: so numbers in force rise in the order of their release.
 */
import type pg from 'pg';
import { checksumOf } from '../config/canonical.js';
import type { Selector } from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';
import { auditStatement } from './audit.js';
import { areHeld } from './edit-locks.js';
import type { Grip } from './edit-locks.js';
import { OWN_ENVIRONMENT } from './namespaces.js';
import type { RollbackOrder } from './orders.js';
import type { CenterParts } from './parts.js';
import { badField, conflict, wrongState } from './refusals.js';
import type { PlannedContent, ReleasePlan } from './release-plan.js';
import {
  DROP_DRAFTS,
  LOCK_ENVIRONMENT,
  LOCK_NAMESPACES,
  MAKE_CONTENTS,
  MAKE_RELEASE,
  NEXT_RELEASE,
  NOTIFY,
  PUT_IN_FORCE,
  START_GRAY,
  START_STRICT,
  UNFINISHED_ROLLOUT,
} from './statements.js';

/** A strict release waits so many leases for all to be ready. */
const PATIENCE_LEASES = 3;

export interface Published {
  readonly number: number;
  /** Row id of its gray or strict rollout. */
  readonly rollout: number | null;
}

export type HowToRelease = Pick<RollbackOrder, 'reason' | 'mode' | 'gray' | 'strict'>;

export class Publishing {
  constructor(private readonly parts: Pick<CenterParts, 'database' | 'leaseMs' | 'logger' | 'changed'>) {}

  /** @throws TercetError: this environment cannot be released to in that way, or not now */
  async check(environment: string, { mode, gray }: HowToRelease): Promise<void> {
    if (mode === 'strict' && environment !== OWN_ENVIRONMENT) {
      const why = `only coordinators can be fenced, and they live in '${OWN_ENVIRONMENT}'; release to all, or gray`;
      throw new TercetError('TERCET_CONFIG_STRICT_UNSUPPORTED', `'${environment}' cannot switch strictly: ${why}`);
    }
    if (mode === 'gray' && gray?.labels === undefined && gray?.percent === undefined) {
      throw badField('gray', 'must have labels or percent: whom the release is for');
    }
    const [unfinished] = await this.parts.database.read<{ number: number }>(UNFINISHED_ROLLOUT, [environment]);
    if (unfinished) throw underWay(environment, unfinished.number);
  }

  /**
   * @param grips edit locks of the caller
   * @throws TercetError: something changed since it was planned, and nothing was released
   */
  async publish(plan: ReleasePlan, how: HowToRelease, who: string, grips: readonly Grip[]): Promise<Published> {
    const { environment } = plan;
    const done = await this.parts.database.inTransaction(async (client): Promise<Published | TercetError> => {
      await client.query(LOCK_ENVIRONMENT, [environment]);
      const { rows } = await client.query<{ number: number }>(UNFINISHED_ROLLOUT, [environment]);
      if (rows[0]) return underWay(environment, rows[0].number);
      if (!(await areHeld(client, grips)) || !(await isAsPlanned(client, plan))) {
        return conflict(
          `something in '${environment}' was changed while it was being released; look, and release again`,
        );
      }
      const number = await record(client, plan, how, who);
      const rollout = await this.start(client, environment, number, how, who);
      await client.query(NOTIFY, [environment]);
      return { number, rollout };
    });
    if (done instanceof TercetError) throw done;
    const { mode, reason } = how;
    this.parts.logger.info({ who, reason, environment, release: done.number, mode }, 'a configuration was released');
    this.parts.changed(environment);
    return done;
  }

  private async start(
    client: pg.PoolClient,
    environment: string,
    number: number,
    { mode, gray, strict }: HowToRelease,
    who: string,
  ): Promise<number | null> {
    if (mode === 'all') {
      await client.query(PUT_IN_FORCE, [environment, number]);
      return null;
    }
    const { labels, percent } = selectorOf(gray);
    const { deadlineMs = PATIENCE_LEASES * this.parts.leaseMs, onSilent = 'abort' } = strict ?? {};
    const { rows } =
      mode === 'gray'
        ? await client.query<{ id: number }>(START_GRAY, [environment, number, JSON.stringify(labels), percent, who])
        : await client.query<{ id: number }>(START_STRICT, [environment, number, deadlineMs, onSilent, who]);
    return rows[0]?.id ?? null;
  }
}

/** What is absent selects everybody. */
export function selectorOf(gray: Partial<Selector> | undefined): Selector {
  return { labels: gray?.labels ?? {}, percent: gray?.percent ?? 100 };
}

export function checksumOfRelease(
  contents: readonly { readonly namespace: string; readonly checksum: string }[],
): string {
  return checksumOf(Object.fromEntries(contents.map(({ namespace, checksum }) => [namespace, checksum])));
}

/** The same drafts over the same releases, to be judged in the same way. */
export async function isAsPlanned(
  client: pg.PoolClient,
  { environment, contents, restores }: ReleasePlan,
): Promise<boolean> {
  const names = contents.map(({ namespace }) => namespace);
  type Row = { name: string; release: number | null; revision: number; terms: string };
  const { rows } = await client.query<Row>(LOCK_NAMESPACES, [environment, names]);
  return contents.every(({ namespace, base, revision, terms }) => {
    const now = rows.find(({ name }) => name === namespace);
    if (now?.release !== base || now.terms !== terms) return false;
    return restores !== null || now.revision === revision;
  });
}

async function record(client: pg.PoolClient, plan: ReleasePlan, how: HowToRelease, who: string): Promise<number> {
  const { environment, contents, restores } = plan;
  const { mode, reason } = how;
  const of = <K extends keyof PlannedContent>(key: K): PlannedContent[K][] => contents.map((content) => content[key]);
  // A strict one changes nothing for anybody until it is in force, and its drafts stay until then.
  const isStrict = mode === 'strict';
  const { rows } = await client.query<{ number: number }>(NEXT_RELEASE, [environment, isStrict ? 0 : 1]);
  const number = rows[0]?.number ?? 0;
  await client.query(MAKE_RELEASE, [environment, number, mode, restores, checksumOfRelease(contents), reason, who]);
  const values = [environment, number, of('namespace'), of('base'), of('text'), of('checksum')];
  await client.query(MAKE_CONTENTS, values);
  if (restores === null && !isStrict) await client.query(DROP_DRAFTS, [environment, of('namespace')]);
  const action = (mode === 'all' ? '' : `${mode} `) + (restores === null ? 'release' : 'rollback');
  const entries = contents.map(({ namespace, changes }) => {
    return { by: who, action, environment, namespace, release: number, reason, changes };
  });
  await client.query(auditStatement(...entries));
  return number;
}

function underWay(environment: string, number: number): TercetError {
  const next = 'promote or abort it first, or wait until it has ended';
  return wrongState(`the rollout of release ${number} of '${environment}' has not ended; ${next}`);
}
