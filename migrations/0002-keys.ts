/**
 * Keys: one root secret per topic and epoch, and the tickets derived from them. A root is encrypted by the master key,
 * which is not in the database; halves are not stored at all; passwords stand here as SHA-256 only.
 *
 * A ticket outlives its sender (no foreign key to terminals): what it sealed may still be under way.
 */
import { type Kysely, sql } from 'kysely';

const statements = [
  // wrapped is null once the epoch was destroyed: what it sealed stays closed for ever
  `create table topic_keys (
    topic_id uuid not null references topics (id) on delete cascade,
    epoch integer not null check (epoch > 0),
    wrapped bytea check (length(wrapped) between 60 and 256),
    created_at timestamptz not null default clock_timestamp(),
    destroyed_at timestamptz,
    primary key (topic_id, epoch),
    check ((wrapped is null) = (destroyed_at is not null))
  )`,
  `create table tickets (
    id bytea primary key check (length(id) = 16),
    topic_id uuid not null,
    epoch integer not null,
    terminal_id uuid not null,
    password_hash bytea not null check (length(password_hash) = 32),
    issued_at timestamptz not null,
    expires_at timestamptz not null check (expires_at > issued_at),
    foreign key (topic_id, epoch) references topic_keys (topic_id, epoch) on delete cascade
  )`,
  'create index tickets_topic_issued on tickets (topic_id, issued_at)',
  // a new password for one receiver of a ticket that expired on the way
  `create table ticket_passwords (
    ticket_id bytea not null references tickets (id) on delete cascade,
    terminal_id uuid not null references terminals (id) on delete cascade,
    password_hash bytea not null check (length(password_hash) = 32),
    expires_at timestamptz not null,
    primary key (ticket_id, terminal_id)
  )`,
  // terminals whose securekey is known to others: they get no ticket, and theirs are not renewed for receivers
  `create table compromised_terminals (
    terminal_id uuid primary key,
    reported_at timestamptz not null default clock_timestamp()
  )`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
