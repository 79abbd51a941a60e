/** How many consumers a stream of a customer may have; null: without limit. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw('alter table customers add column max_consumers bigint check (max_consumers > 0)').execute(db);
}
