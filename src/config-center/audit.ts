/** Who changed what, when and why. Entries are added, and never changed. */
import type { ConfigAuditView, ConfigChange } from '../protocol/config.js';
import type { Database } from '../storage/database.js';
import type { Page } from './orders.js';
import { AUDIT, AUDIT_PAGE } from './statements.js';

export interface AuditEntry {
  readonly by: string;
  readonly action: string;
  readonly environment: string;
  readonly namespace?: string;
  readonly release?: number;
  readonly reason?: string;
  /** Masked. */
  readonly changes?: ConfigChange[];
}

/** To be run in the transaction of what it tells. */
export function auditStatement(...entries: AuditEntry[]): { text: string; values: unknown[] } {
  const rows = entries.map(({ changes, ...entry }) => ({
    ...entry,
    changes: changes ? JSON.stringify(changes) : null,
  }));
  return { text: AUDIT, values: [JSON.stringify(rows)] };
}

interface Row extends Omit<ConfigAuditView, 'at' | 'changes'> {
  at: Date;
  changes: string | null;
}

export class Audit {
  constructor(private readonly database: Database) {}

  async page(
    environment: string,
    { limit, before }: Page,
  ): Promise<{ entries: ConfigAuditView[]; next: number | null }> {
    const rows = await this.database.read<Row>(AUDIT_PAGE, [environment, before, limit + 1], 'list');
    const entries = rows.slice(0, limit).map(({ at, changes, ...row }) => {
      return {
        ...row,
        at: at.toISOString(),
        changes: changes === null ? null : (JSON.parse(changes) as ConfigChange[]),
      };
    });
    return { entries, next: rows.length > limit ? (entries.at(-1)?.id ?? null) : null };
  }
}
