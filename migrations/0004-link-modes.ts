/**
 * Ways a link can take: WebSocket for LANs that let out nothing but port 443, an HTTP proxy that opens tunnels. And the
 * control users of sites that are gone or joined anew, so that every replica closes their connections and lets none in again.
 */
import { type Kysely, sql } from 'kysely';

const statements = [
  `alter table sites
    add column websocket text check (length(websocket) <= 300),
    add column proxy text check (length(proxy) <= 300),
    add check (mode = 'server' or websocket is null)`,
  `alter table links
    add column transport text not null default 'tcp' check (transport in ('tcp', 'ws')),
    add column proxy text check (length(proxy) <= 300)`,
  'alter table replicas add column ws_url text',
  `create table revoked_users (
    control_user text primary key check (length(control_user) <= 128),
    revoked_at timestamptz not null default clock_timestamp()
  )`,
  // whatever removes or replaces a control user revokes it
  `create function revoke_control_user() returns trigger language plpgsql as $$
    begin
      if old.control_user is not null and (tg_op = 'DELETE' or old.control_user is distinct from new.control_user) then
        insert into revoked_users (control_user) values (old.control_user)
          on conflict (control_user) do update set revoked_at = clock_timestamp();
      end if;
      if tg_op = 'UPDATE' then
        delete from revoked_users where control_user = new.control_user;
      end if;
      return null;
    end $$`,
  `create trigger sites_revoke after update of control_user or delete on sites
    for each row execute function revoke_control_user()`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
