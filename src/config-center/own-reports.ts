/** What an instance says of what it goes by. */
import type { ConfigReport } from '../protocol/config.js';
import type { Database } from '../storage/database.js';

const REPORT = `
  INSERT INTO tercet.config_report AS r (environment, instance, incarnation, labels, namespaces, reported_at, until)
  VALUES ($1, $2, $3, $4, $5, now(), now() + $6 * interval '1 ms')
      ON CONFLICT (environment, instance) DO UPDATE SET incarnation = excluded.incarnation, labels = excluded.labels,
         namespaces = excluded.namespaces, reported_at = excluded.reported_at, until = excluded.until`;

export class OwnReports {
  constructor(private readonly database: Database) {}

  /** @throws LogUnavailable, LogOutcomeUnknown */
  readonly report = async (environment: string, instance: string, report: ConfigReport): Promise<void> => {
    const { incarnation, labels = {}, namespaces, ttlMs } = report;
    const values = [environment, instance, incarnation, JSON.stringify(labels), JSON.stringify(namespaces), ttlMs];
    await this.database.write({ text: REPORT, values });
  };
}
