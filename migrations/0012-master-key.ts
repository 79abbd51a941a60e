/** Which master key the secrets in this database are encrypted under: its fingerprint, so that a replica with another one knows. */
import { type Kysely, sql } from 'kysely';

const statements = ['alter table buses add column master_key_id text check (length(master_key_id) <= 64)'];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
