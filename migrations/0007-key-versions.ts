/**
 * Versions of a topic's key: when one was retired (from then on it only opens), how many messages were sealed under it, and
 * when a topic gets a new one by itself. A ticket says how many messages its terminal has sealed with it.
 */
import { type Kysely, sql } from 'kysely';

const statements = [
  `alter table topics
    add column rotate_after_ms bigint not null default 2592000000 check (rotate_after_ms > 0),
    add column rotate_after_messages bigint not null default 1000000000 check (rotate_after_messages > 0)`,
  'alter table topics alter column rotate_after_ms drop default, alter column rotate_after_messages drop default',
  `alter table topic_keys
    add column retired_at timestamptz,
    add column sealed bigint not null default 0 check (sealed >= 0)`,
  // of a topic's versions one at most seals
  'create unique index topic_keys_sealing on topic_keys (topic_id) where retired_at is null',
  'alter table topic_keys add check (wrapped is not null or retired_at is not null)',
  'alter table tickets add column sealed bigint not null default 0 check (sealed >= 0)',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
