/**
 * What routing may be told: client sites that carry envelopes of others, and what happens to a group whose consumers, or
 * whose whole terminal, are gone. The defaults are those of the declared file, for rows that are there already.
 */
import { type Kysely, sql } from 'kysely';

const statements = [
  'alter table sites add column transit boolean not null default false',
  'alter table sites alter column transit drop default',
  `alter table groups
    add column failover_after_ms bigint not null default 5000 check (failover_after_ms > 0),
    add column on_terminal_loss text not null default 'wait' check (on_terminal_loss in ('wait', 'reassign')),
    add column reassign_after_ms bigint not null default 3600000 check (reassign_after_ms > 0)`,
  `alter table groups
    alter column failover_after_ms drop default,
    alter column on_terminal_loss drop default,
    alter column reassign_after_ms drop default`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
