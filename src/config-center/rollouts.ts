/** Rollouts: a gray release that some have, or a strict one that is being prepared. */
import type pg from 'pg';
import { changesBetween } from '../config/diff.js';
import { selects } from '../config/selector.js';
import type { RolloutView, Selector } from '../protocol/config.js';
import type { TercetError } from '../protocol/errors.js';
import { auditStatement } from './audit.js';
import { lastReleaseOf } from './namespace-rows.js';
import type { WidenOrder } from './orders.js';
import type { CenterParts } from './parts.js';
import { isAsPlanned, selectorOf } from './publishing.js';
import { afterwards, conflict, unknown, wrongState } from './refusals.js';
import type { Planning } from './release-plan.js';
import type { Reports } from './reports.js';
import {
  END_ROLLOUT,
  LOCK_ROLLOUT,
  NOTIFY,
  NOW_IN_FORCE,
  PUT_IN_FORCE,
  RAISE_REVISION,
  RETURN_DRAFTS,
  ROLLOUT,
  ROLLOUT_OF,
  UNFINISHED_ROLLOUTS,
  WIDEN_ROLLOUT,
} from './statements.js';

interface RolloutRow {
  environment: string;
  number: number;
  mode: RolloutView['mode'];
  state: RolloutView['state'];
  labels: string;
  percent: number;
  deadline_at: Date | null;
  started_by: string;
  started_at: Date;
  ended_at: Date | null;
  why: string | null;
  acks: RolloutView['acks'];
}

/** That has not ended, locked. */
interface Unfinished {
  readonly id: number;
  readonly number: number;
  readonly mode: RolloutView['mode'];
  readonly labels: string;
  readonly percent: number;
}

export class Rollouts {
  constructor(
    private readonly parts: Pick<CenterParts, 'database' | 'logger' | 'changed'>,
    private readonly reports: Reports,
    private readonly planning: Planning,
  ) {}

  /** The unfinished one, or else the last. @throws TercetError: there never was one */
  async view(environment: string): Promise<RolloutView> {
    const [row] = await this.parts.database.read<RolloutRow>(ROLLOUT, [environment]);
    if (row) return viewOf(row);
    await lastReleaseOf(this.parts.database, environment);
    throw unknown(`rollout in the environment '${environment}'`);
  }

  /** Null: it had none. */
  async ofRelease(environment: string, number: number): Promise<RolloutView | null> {
    const [row] = await this.parts.database.read<RolloutRow>(ROLLOUT_OF, [environment, number]);
    return row ? viewOf(row) : null;
  }

  /** Those that have not ended, by environment. */
  async unfinished(): Promise<Map<string, RolloutView>> {
    const rows = await this.parts.database.read<RolloutRow>(UNFINISHED_ROLLOUTS);
    return new Map(rows.map((row) => [row.environment, viewOf(row)]));
  }

  /** The gray release is in force for all. @throws TercetError: it does not fit the schemas and rules of now */
  async promote(environment: string, reason: string, who: string): Promise<RolloutView> {
    const [last] = await this.parts.database.read<RolloutRow>(ROLLOUT, [environment]);
    const isGray = last?.mode === 'gray' && last.state === 'running';
    const plan = isGray ? await this.planning.ofGray(environment, last.number) : null;
    return this.changing(environment, async (client, { id, number, mode }) => {
      if (mode !== 'gray') return onlyGray(environment, number, 'promoted: it is in force as soon as all are ready');
      if (plan?.restores !== number || !(await isAsPlanned(client, plan))) {
        return conflict(`something in '${environment}' was changed while it was promoted; look, and promote again`);
      }
      await client.query(END_ROLLOUT, [id, 'done', reason]);
      await client.query(PUT_IN_FORCE, [environment, number]);
      await client.query(NOW_IN_FORCE, [environment, number]);
      await client.query(auditStatement({ by: who, action: 'promote', environment, release: number, reason }));
      return null;
    });
  }

  /** Nobody has it any more; what was drafted for it is drafted again, where nobody has drafted anything since. */
  abort(environment: string, reason: string, who: string): Promise<RolloutView> {
    return this.changing(environment, async (client, rollout) => {
      await takeBack(client, environment, rollout, { by: who, why: reason });
      return null;
    });
  }

  /** Changes whom the gray release is for. */
  widen(environment: string, { reason, ...selector }: WidenOrder, who: string): Promise<RolloutView> {
    return this.changing(environment, async (client, { id, number, mode, labels, percent }) => {
      if (mode !== 'gray') return onlyGray(environment, number, 'widened: it is for all from the start');
      const was: Selector = { labels: labelsOf(labels), percent };
      const is = selectorOf({ labels: selector.labels ?? was.labels, percent: selector.percent ?? was.percent });
      await client.query(WIDEN_ROLLOUT, [id, JSON.stringify(is.labels), is.percent, reason]);
      const changes = changesBetween({ ...was }, { ...is });
      await client.query(auditStatement({ by: who, action: 'widen', environment, release: number, reason, changes }));
      return null;
    });
  }

  /** Whom a gray release would be for, among those that live. */
  async preview(environment: string, selector: Selector): Promise<{ matches: string[]; of: number }> {
    const alive = (await this.reports.candidates(environment)).filter(({ isAlive }) => isAlive);
    const matches = alive.filter((candidate) => selects(selector, environment, candidate));
    return { matches: matches.map(({ instance }) => instance), of: alive.length };
  }

  /** @param change what it returns was refused, and then it has changed nothing */
  private async changing(
    environment: string,
    change: (client: pg.PoolClient, rollout: Unfinished) => Promise<TercetError | null>,
  ): Promise<RolloutView> {
    await lastReleaseOf(this.parts.database, environment);
    const refused = await this.parts.database.inTransaction(async (client) => {
      const rollout = await unfinished(client, environment);
      if (!rollout)
        return wrongState(`no rollout is under way in '${environment}'; \`tercet config rollout\` shows the last`);
      const refusal = await change(client, rollout);
      if (refusal) return refusal;
      // Of a strict one nobody had anything yet.
      if (rollout.mode === 'gray') await client.query(RAISE_REVISION, [environment]);
      await client.query(NOTIFY, [environment]);
      return null;
    });
    if (refused) throw refused;
    this.parts.changed(environment);
    return afterwards(this.view(environment));
  }
}

/** Locked until the transaction ends, so that nobody else ends it meanwhile. */
export async function unfinished(client: pg.PoolClient, environment: string): Promise<Unfinished | undefined> {
  return (await client.query<Unfinished>(LOCK_ROLLOUT, [environment])).rows[0];
}

/** Ends a rollout that is locked; revision and notice are the caller's. */
export async function takeBack(
  client: pg.PoolClient,
  environment: string,
  { id, number }: Pick<Unfinished, 'id' | 'number'>,
  { by, why }: { by: string; why: string },
): Promise<void> {
  await client.query(END_ROLLOUT, [id, 'aborted', why]);
  await client.query(RETURN_DRAFTS, [environment, number]);
  await client.query(auditStatement({ by, action: 'abort', environment, release: number, reason: why }));
}

function onlyGray(environment: string, number: number, why: string): TercetError {
  return wrongState(`release ${number} of '${environment}' is a strict one, which is not ${why}`);
}

function viewOf(row: RolloutRow): RolloutView {
  const isGray = row.mode === 'gray';
  return {
    environment: row.environment,
    release: row.number,
    mode: row.mode,
    state: row.state,
    selector: isGray ? { labels: labelsOf(row.labels), percent: row.percent } : null,
    deadlineAt: row.deadline_at?.toISOString() ?? null,
    by: row.started_by,
    startedAt: row.started_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
    why: row.why,
    acks: row.acks,
  };
}

function labelsOf(text: string): Record<string, string> {
  return JSON.parse(text) as Record<string, string>;
}
