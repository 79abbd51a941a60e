/** Terminals that an operator empties before work on their site: new messages of groups with other terminals go there. */
import { type Kysely, sql } from 'kysely';

const statements = ['alter table terminals add column is_draining boolean not null default false'];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
