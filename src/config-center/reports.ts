/** What instances say they have, beside what they should have. */
import type pg from 'pg';
import { selects } from '../config/selector.js';
import type { Candidate } from '../config/selector.js';
import { CONFIG_LIMITS } from '../protocol/config.js';
import type { ConfigNodeView, ConfigReport, Selector } from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';
import { lastReleaseOf } from './namespace-rows.js';
import type { CenterParts } from './parts.js';
import { badField, unknown } from './refusals.js';
import { takeBack, unfinished } from './rollouts.js';
import {
  COUNT_REPORTS,
  DESIRED,
  FORGET_REPORTS,
  KNOWN_NAMESPACES,
  NOTIFY,
  RAISE_REVISION,
  REPORT,
  REPORT_AGAIN,
  REPORTED,
  REPORTS,
} from './statements.js';

/** Of one namespace, as it is kept. */
interface Kept {
  /** The release that it spoke of last, and what it said. */
  readonly release: number;
  readonly state: 'applied' | 'rejected';
  readonly checksum: string | null;
  readonly reason: string | null;
  /** The last one that it took, and when; null: none since it started. */
  readonly applied: number | null;
  readonly since: string | null;
}

interface Row {
  instance: string;
  incarnation: string;
  labels: string;
  namespaces: string;
  reported_at: Date;
  alive: boolean;
}

interface Desired {
  name: string;
  release: number | null;
  /** The same of the running gray release; null: it leaves the namespace as it is. */
  gray: number | null;
  /** Whom that is for; null: there is none. */
  labels: string | null;
  percent: number | null;
}

/** Instances of which it is known what they said last. */
const MAX_KNOWN = 1000;

export class Reports {
  /** By instance what was recorded last, and when said again is one statement: most say the same every few seconds. */
  private readonly last = new Map<string, { readonly said: string; readonly values: readonly unknown[] }>();

  constructor(private readonly parts: Pick<CenterParts, 'database' | 'clock' | 'logger' | 'changed'>) {}

  /** @throws TercetError: there is no such environment or namespace */
  async take(environment: string, instance: string, report: ConfigReport): Promise<void> {
    const { database, logger } = this.parts;
    const key = `${environment} ${instance}`;
    const said = JSON.stringify(report);
    const last = this.last.get(key);
    if (last?.said === said) {
      const again = { text: REPORT_AGAIN, values: [...last.values] };
      if ((await database.write(again, 'beat')).length > 0) return;
    }
    this.last.delete(key);
    await lastReleaseOf(database, environment);
    const rejected = Object.values(report.namespaces).find(({ state }) => state === 'rejected');
    // What is said again with the next one need not wait for the disk; what ends a rollout does.
    const lane = rejected ? 'log' : 'beat';
    const { recorded, isEnded } = await database.inTransaction(async (client) => {
      const values = await this.record(client, environment, instance, report);
      const mayEnd = rejected !== undefined && !(values instanceof TercetError);
      return { recorded: values, isEnded: mayEnd && (await endGray(client, environment, instance, report)) };
    }, lane);
    if (recorded instanceof TercetError) throw recorded;
    if (!rejected) this.keep(key, said, recorded);
    if (!isEnded) return;
    logger.warn({ environment, instance }, 'an instance rejects a gray release: it was taken back');
    this.parts.changed(environment);
  }

  /** Those that reported within a day. */
  async nodes(environment: string): Promise<ConfigNodeView[]> {
    await lastReleaseOf(this.parts.database, environment);
    const desired = await this.parts.database.read<Desired>(DESIRED, [environment], 'list');
    const rows = await this.parts.database.read<Row>(REPORTS, [environment], 'list');
    const wanted = new Map(desired.map((each) => [each.name, each]));
    const gray = grayOf(desired);
    return rows.map((row) => {
      const isGray = gray !== null && selects(gray, environment, candidateOf(row));
      return nodeView(row, (name) => {
        const found = wanted.get(name);
        return (isGray ? found?.gray : null) ?? found?.release ?? null;
      });
    });
  }

  /** Those that reported within a day. */
  async candidates(environment: string): Promise<(Candidate & { isAlive: boolean })[]> {
    await lastReleaseOf(this.parts.database, environment);
    const rows = await this.parts.database.read<Row>(REPORTS, [environment], 'list');
    return rows.map((row) => ({ ...candidateOf(row), isAlive: row.alive }));
  }

  private keep(key: string, said: string, values: readonly unknown[]): void {
    this.last.set(key, { said, values });
    const [oldest] = this.last.keys();
    if (this.last.size > MAX_KNOWN && oldest !== undefined) this.last.delete(oldest);
  }

  /** @returns the values of REPORT, or why it is refused */
  private async record(
    client: pg.PoolClient,
    environment: string,
    instance: string,
    { incarnation, labels = {}, ttlMs, namespaces }: ConfigReport,
  ): Promise<TercetError | unknown[]> {
    const names = Object.keys(namespaces);
    const { rows: known } = await client.query<{ name: string }>(KNOWN_NAMESPACES, [environment, names]);
    const missing = names.find((name) => !known.some((row) => row.name === name));
    if (missing !== undefined)
      return unknown(`namespace '${missing.slice(0, 100)}' in the environment '${environment}'`);
    type Before = { incarnation: string; namespaces: string };
    const { rows } = await client.query<Before>(REPORTED, [environment, instance]);
    const [before] = rows;
    if (!before) {
      await client.query(FORGET_REPORTS, [environment]);
      const { rows: counted } = await client.query<{ n: number }>(COUNT_REPORTS, [environment]);
      if ((counted[0]?.n ?? 0) >= CONFIG_LIMITS.instances) {
        return badField('instance', `would be one more than ${CONFIG_LIMITS.instances} that report`);
      }
    }
    // What another start of it had is of no matter to this one.
    const kept = before?.incarnation === incarnation ? keptOf(before.namespaces) : new Map<string, Kept>();
    const now = new Date(this.parts.clock.now()).toISOString();
    const said = Object.entries(namespaces).map(([name, { release, checksum = null, state, reason = null }]) => {
      const last = kept.get(name);
      const isApplied = state === 'applied';
      const applied = isApplied ? release : (last?.applied ?? null);
      const since = isApplied && last?.applied !== release ? now : (last?.since ?? null);
      return [name, { release, state, checksum, reason, applied, since } satisfies Kept];
    });
    const text = JSON.stringify(Object.fromEntries(said));
    const values = [environment, instance, incarnation, JSON.stringify(labels), text, ttlMs];
    await client.query(REPORT, values);
    return values;
  }
}

/** @returns whether a running gray release ended by this */
async function endGray(
  client: pg.PoolClient,
  environment: string,
  instance: string,
  { namespaces }: ConfigReport,
): Promise<boolean> {
  const rollout = await unfinished(client, environment);
  const rejection = Object.values(namespaces).find(({ state, release }) => {
    return state === 'rejected' && release === rollout?.number;
  });
  if (rollout?.mode !== 'gray' || !rejection) return false;
  const why = `${instance} rejects it: ${rejection.reason ?? 'it does not say why'}`;
  await takeBack(client, environment, rollout, { by: instance, why });
  await client.query(RAISE_REVISION, [environment]);
  await client.query(NOTIFY, [environment]);
  return true;
}

function nodeView(row: Row, desiredOf: (namespace: string) => number | null): ConfigNodeView {
  const namespaces = [...keptOf(row.namespaces)].map(([name, { release, state, reason, applied, since }]) => {
    const desired = desiredOf(name);
    const isRejected = state === 'rejected' && release === desired;
    const shown = isRejected ? 'rejected' : applied === desired ? 'applied' : 'late';
    // What it said of another release explains nothing of this one.
    const why = release === desired ? reason : null;
    return [name, { desired, applied, state: shown, since, reason: why }] as const;
  });
  const { instance, incarnation, reported_at: reportedAt, alive: isAlive } = row;
  return {
    instance,
    incarnation,
    labels: labelsOf(row),
    isAlive,
    reportedAt: reportedAt.toISOString(),
    namespaces: Object.fromEntries(namespaces),
  };
}

/** Whom the running gray release is for; null: there is none. */
function grayOf(desired: readonly Desired[]): Selector | null {
  const [row] = desired;
  return row && row.labels !== null && row.percent !== null ? { labels: labelsOf(row), percent: row.percent } : null;
}

function candidateOf(row: Row): Candidate {
  return { instance: row.instance, labels: labelsOf(row) };
}

function labelsOf({ labels }: { labels: string | null }): Record<string, string> {
  return JSON.parse(labels ?? '{}') as Record<string, string>;
}

function keptOf(text: string): Map<string, Kept> {
  return new Map(Object.entries(JSON.parse(text) as Record<string, Kept>));
}
