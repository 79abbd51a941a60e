/** Sites that keep what they store on three nats-servers. */
import { type Kysely, sql } from 'kysely';

const statements = [
  'alter table sites add column servers integer not null default 1',
  'alter table sites add constraint sites_servers_check check (servers in (1, 3))',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
