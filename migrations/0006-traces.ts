/** Questions of `mbus trace`, and what sites answered: which way one message took, and when. Forgotten after an hour. */
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table traces (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customers (id) on delete cascade,
    topic_id uuid not null references topics (id) on delete cascade,
    origin_id uuid not null references terminals (id) on delete cascade,
    sequence bigint not null check (sequence > 0),
    created_at timestamptz not null default clock_timestamp()
  )`,
  'create index traces_created on traces (created_at)',
  `create table trace_hops (
    trace_id uuid not null references traces (id) on delete cascade,
    terminal_id uuid not null references terminals (id) on delete cascade,
    hops jsonb not null,
    primary key (trace_id, terminal_id)
  )`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
