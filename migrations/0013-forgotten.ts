/** Terminals that an operator gave up: what was sent to them goes to the other terminals of its groups too. */
import { type Kysely, sql } from 'kysely';

const statements = ['alter table terminals add column forgotten_at timestamptz'];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
