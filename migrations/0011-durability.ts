/** A site whose durability class is left open: its mode decides. */
import { type Kysely, sql } from 'kysely';

const statements = [
  'alter table sites drop constraint sites_durability_check',
  "alter table sites add constraint sites_durability_check check (durability in ('auto', 'process', 'power'))",
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
