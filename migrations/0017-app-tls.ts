/** Sites whose applications connect over TLS. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw('alter table sites add column tls text').execute(db);
}
