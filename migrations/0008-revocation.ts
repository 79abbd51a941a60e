/**
 * Who is let in no more: terminals, sites and apps that an operator revoked, customers that are suspended. Each keeps its row,
 * so that what waits for it stays accounted for, and what comes back is the same noun. A terminal may be asked to replace
 * its securekey until a moment; an app's credential has a number, which grows when it gets a new one.
 */
import { type Kysely, sql } from 'kysely';

const statements = [
  'alter table terminals add column revoked_at timestamptz, add column rekey_until timestamptz',
  'alter table sites add column revoked_at timestamptz',
  'alter table customers add column is_suspended boolean not null default false',
  `alter table apps
    add column is_revoked boolean not null default false,
    add column credential integer not null default 0 check (credential >= 0)`,
  'alter table tickets add column revoked_at timestamptz',
  // a ticket of the topic from before that moment is used no more, and asked about again
  'alter table topics add column tickets_since timestamptz',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
