/**
 * The nouns of a bus. Removing a noun deletes its row (its history stands in the audit table), so a name that is used
 * again gets a new id and nothing of the old one applies to it. Names obey the rule of src/config/names.ts here too:
 * a client that skips every other check still cannot store a bad one.
 */
import { type Kysely, sql } from 'kysely';

/** Same rule as src/config/names.ts. */
const nameRule = "~ '^(?!_|mb)[A-Za-z0-9_-]{1,64}$'";

const statements = [
  // one row: the bus itself, its revision, and the control replicas its sites were last told of
  `create table buses (
    singleton boolean primary key default true check (singleton),
    id uuid not null default gen_random_uuid(),
    version bigint not null default 0 check (version >= 0),
    replica_set text not null default '',
    created_at timestamptz not null default clock_timestamp()
  )`,
  // every value is encrypted by the master key, which is not in the database
  `create table control_secrets (
    name text primary key check (length(name) between 1 and 128),
    wrapped bytea not null,
    created_at timestamptz not null default clock_timestamp()
  )`,
  `create table sites (
    id uuid primary key default gen_random_uuid(),
    name text not null unique check (name ${nameRule}),
    mode text not null check (mode in ('server', 'client')),
    address text check (length(address) <= 300),
    max_payload integer not null check (max_payload between 1 and 8388608),
    durability text not null check (durability in ('process', 'power')),
    request_key text unique check (length(request_key) <= 128),
    control_user text check (length(control_user) <= 128),
    joined_at timestamptz,
    check (mode = 'client' or address is not null)
  )`,
  `create table customers (
    id uuid primary key default gen_random_uuid(),
    name text not null unique check (name ${nameRule}),
    isolate_apps boolean not null
  )`,
  `create table terminals (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customers (id) on delete cascade,
    site_id uuid not null references sites (id) on delete cascade,
    sign_key text check (length(sign_key) <= 128),
    wrap_key text check (length(wrap_key) <= 128),
    link_user text check (length(link_user) <= 128),
    registered_at timestamptz,
    unique (customer_id, site_id),
    unique (customer_id, id),
    check ((sign_key is null) = (registered_at is null))
  )`,
  'create index terminals_site on terminals (site_id)',
  `create table links (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customers (id) on delete cascade,
    a uuid not null,
    b uuid not null,
    cost integer not null check (cost between 1 and 1000000),
    via text check (length(via) <= 300),
    compress text not null check (compress in ('auto', 'always', 'never')),
    foreign key (customer_id, a) references terminals (customer_id, id) on delete cascade,
    foreign key (customer_id, b) references terminals (customer_id, id) on delete cascade,
    check (a <> b)
  )`,
  'create unique index links_pair on links (customer_id, least(a, b), greatest(a, b))',
  `create table link_credentials (
    link_id uuid primary key references links (id) on delete cascade,
    user_jwt text not null check (length(user_jwt) <= 16384),
    link_user text not null check (length(link_user) <= 128),
    reported_at timestamptz not null default clock_timestamp()
  )`,
  `create table topics (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customers (id) on delete cascade,
    name text not null check (name ${nameRule}),
    scope text not null check (scope in ('bus', 'lan')),
    max_bytes bigint not null check (max_bytes > 0),
    max_transit_age_ms bigint not null check (max_transit_age_ms > 0),
    strict boolean not null,
    dedupe_ms bigint not null check (dedupe_ms > 0),
    unique (customer_id, name),
    unique (customer_id, id)
  )`,
  `create table groups (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customers (id) on delete cascade,
    topic_id uuid not null,
    name text not null check (name ${nameRule}),
    policy text not null check (policy in ('nearest', 'spread', 'ordered')),
    max_bytes bigint not null check (max_bytes > 0),
    on_full text not null check (on_full in ('refuse', 'dropOldest')),
    ack_wait_ms bigint not null check (ack_wait_ms > 0),
    max_deliver integer not null check (max_deliver >= -1),
    max_ack_pending integer not null check (max_ack_pending > 0),
    foreign key (customer_id, topic_id) references topics (customer_id, id) on delete cascade,
    unique (topic_id, name),
    unique (customer_id, id)
  )`,
  `create table group_terminals (
    customer_id uuid not null references customers (id) on delete cascade,
    group_id uuid not null,
    terminal_id uuid not null,
    position integer not null check (position >= 0),
    primary key (group_id, terminal_id),
    unique (group_id, position),
    foreign key (customer_id, group_id) references groups (customer_id, id) on delete cascade,
    foreign key (customer_id, terminal_id) references terminals (customer_id, id) on delete cascade
  )`,
  `create table apps (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customers (id) on delete cascade,
    terminal_id uuid not null,
    name text not null check (name ${nameRule}),
    foreign key (customer_id, terminal_id) references terminals (customer_id, id) on delete cascade,
    unique (customer_id, name),
    unique (customer_id, id)
  )`,
  `create table app_publish (
    customer_id uuid not null references customers (id) on delete cascade,
    app_id uuid not null,
    topic_id uuid not null,
    primary key (app_id, topic_id),
    foreign key (customer_id, app_id) references apps (customer_id, id) on delete cascade,
    foreign key (customer_id, topic_id) references topics (customer_id, id) on delete cascade
  )`,
  `create table app_consume (
    customer_id uuid not null references customers (id) on delete cascade,
    app_id uuid not null,
    group_id uuid not null,
    primary key (app_id, group_id),
    foreign key (customer_id, app_id) references apps (customer_id, id) on delete cascade,
    foreign key (customer_id, group_id) references groups (customer_id, id) on delete cascade
  )`,
  // a token's secret is never stored; customer_id set: the token re-registers that customer's terminal at the site
  `create table enrolment_tokens (
    id uuid primary key default gen_random_uuid(),
    hash bytea not null unique check (length(hash) = 32),
    site_id uuid not null references sites (id) on delete cascade,
    customer_id uuid references customers (id) on delete cascade,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    used_at timestamptz
  )`,
  `create table site_reports (
    site_id uuid primary key references sites (id) on delete cascade,
    report jsonb not null,
    sent_ms bigint not null,
    received_at timestamptz not null default clock_timestamp()
  )`,
  `create table replicas (
    id text primary key check (length(id) between 1 and 64),
    route text not null,
    leaf_url text not null,
    client_url text not null,
    heartbeat_at timestamptz not null default clock_timestamp()
  )`,
  // answer: what a repeated request gets again, where doing it twice would not be the same
  `create table request_nonces (
    nonce text primary key check (length(nonce) between 16 and 64),
    caller text not null,
    method text not null,
    answer json,
    at timestamptz not null default clock_timestamp()
  )`,
  'create index request_nonces_at on request_nonces (at)',
  // details is json, not jsonb: the hash covers its exact text
  `create table audit (
    id bigint primary key check (id > 0),
    at timestamptz not null,
    actor text not null,
    action text not null,
    noun text not null,
    details json not null,
    prev_hash bytea not null check (length(prev_hash) = 32),
    hash bytea not null check (length(hash) = 32)
  )`,
  `create function audit_is_append_only() returns trigger language plpgsql as $$
    begin raise exception 'audit rows are never changed' using errcode = 'integrity_constraint_violation'; end $$`,
  `create trigger audit_append_only before update or delete or truncate on audit
    for each statement execute function audit_is_append_only()`,
  'insert into buses default values',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
