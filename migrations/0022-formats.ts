/** Formats that a site's build reads, as it reports them: what the others write to it. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`alter table sites
      add column format_min smallint not null default 1 check (format_min >= 1),
      add column format_max smallint not null default 1 check (format_max >= format_min)`)
    .execute(db);
}
