/** What one customer may take at each site; null: what nats-server and the site allow. */
import { type Kysely, sql } from 'kysely';

const statements = [
  'alter table customers add column max_connections bigint check (max_connections > 0)',
  'alter table customers add column max_payload bigint check (max_payload > 0)',
  'alter table customers add column max_storage bigint check (max_storage > 0)',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
