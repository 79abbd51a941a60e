/**
 * How far the audit table had come, signed by the control plane: rows that are taken away at the end are missed by it. And the
 * rights: who works with the tables may add and read audit rows, never change them (a superuser is stopped by the trigger).
 */
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table audit_heads (
    replica_id text primary key check (length(replica_id) between 1 and 64),
    id bigint not null check (id >= 0),
    hash bytea not null check (length(hash) = 32),
    signature bytea not null check (length(signature) = 64),
    at timestamptz not null default clock_timestamp()
  )`,
  'revoke update, delete, truncate on audit from public, current_user',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
