/** What each site last said of itself; only the newest is kept. */
import { sql } from 'kysely';
import type { RequestOf } from '../api/methods.ts';
import { type SiteReport, siteReportSchema } from '../api/site-report.ts';
import { parseKnown } from '../api/tolerant.ts';
import type { Registry } from './connection.ts';

export interface StoredReport {
  siteId: string;
  report: SiteReport;
  /** ms since it was received, by the database's clock */
  ageMs: number;
}

/** Keeps the report unless a later one (by `sentMs`) is stored. */
export async function storeReport(
  db: Registry,
  siteId: string,
  report: RequestOf<'site.report'>,
  sentMs: number,
): Promise<void> {
  const values = {
    report: JSON.stringify(report),
    sent_ms: Math.floor(sentMs),
    received_at: sql<Date>`clock_timestamp()`,
  };
  await db
    .insertInto('site_reports')
    .values({ site_id: siteId, report: values.report, sent_ms: values.sent_ms })
    .onConflict((conflict) =>
      conflict.column('site_id').doUpdateSet(values).where('site_reports.sent_ms', '<=', values.sent_ms),
    )
    .execute();
}

export async function listReports(db: Registry): Promise<StoredReport[]> {
  const rows = await db
    .selectFrom('site_reports')
    .select([
      'site_id',
      'report',
      sql<number>`extract(epoch from clock_timestamp() - received_at)::float8 * 1000`.as('age_ms'),
    ])
    .execute();
  return rows.flatMap((row) => {
    // a report stored by another version may have another form: shown as none
    const parsed = parseKnown(siteReportSchema, row.report);
    return parsed.success
      ? [{ siteId: row.site_id, report: parsed.data, ageMs: Math.max(0, Math.round(row.age_ms)) }]
      : [];
  });
}
