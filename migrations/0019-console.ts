/** Who may read the console: login codes that are used once, and the sessions they become. Only hashes are kept. */
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table console_passes (
    hash bytea primary key,
    kind text not null check (kind in ('code', 'session')),
    actor text not null,
    expires_at timestamptz not null
  )`,
  'alter table replicas add column console_url text',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
