/** Sites whose sidecar's work several processes share. */
import { type Kysely, sql } from 'kysely';

const statements = [
  'alter table sites add column sidecars integer not null default 1',
  'alter table sites add constraint sites_sidecars_check check (sidecars between 1 and 3)',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
