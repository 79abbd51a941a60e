/** How long a credential of an application is good, ms; null: without end. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw('alter table apps add column credential_life_ms bigint check (credential_life_ms > 0)').execute(db);
}
