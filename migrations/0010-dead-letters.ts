/** Who may read dead letters, and what operators ask of sites about them. Forgotten after an hour. */
import { type Kysely, sql } from 'kysely';

const statements = [
  `create table app_dead_letters (
    customer_id uuid not null references customers (id) on delete cascade,
    app_id uuid not null,
    group_id uuid not null,
    primary key (app_id, group_id),
    foreign key (customer_id, app_id) references apps (customer_id, id) on delete cascade,
    foreign key (customer_id, group_id) references groups (customer_id, id) on delete cascade
  )`,
  `create table letter_tasks (
    id uuid primary key default gen_random_uuid(),
    terminal_id uuid not null references terminals (id) on delete cascade,
    group_id uuid not null references groups (id) on delete cascade,
    task jsonb not null,
    answer jsonb,
    created_at timestamptz not null default clock_timestamp()
  )`,
  'create index letter_tasks_created on letter_tasks (created_at)',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
