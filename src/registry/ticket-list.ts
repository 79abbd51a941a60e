/** Tickets as operators see them: who seals what until when. No password, not even its hash, leaves this folder. */
import { type SqlBool, sql } from 'kysely';
import type { Registry } from './connection.ts';
import type { DatabaseNow } from './tickets.ts';

export interface TicketRow {
  id: Buffer;
  /** `customer/topic` */
  topic: string;
  /** site of the terminal that seals; null when it is gone */
  site: string | null;
  epoch: number;
  issuedAt: Date;
  expiresAt: Date;
  isLive: boolean;
  revokedAt: Date | null;
  /** messages, as its terminal told */
  sealed: number;
  /** terminals that have asked for it anew after its end */
  renewals: number;
}

export interface TicketFilter {
  /** all of them when absent */
  topicId?: string | undefined;
  isLive: boolean;
  limit: number;
}

/** Newest first. */
export async function listTickets(db: Registry, now: DatabaseNow, filter: TicketFilter): Promise<TicketRow[]> {
  const { topicId, isLive, limit } = filter;
  const ofTopic = topicId === undefined ? sql<SqlBool>`true` : sql<SqlBool>`t.topic_id = ${topicId}`;
  const living = isLive ? sql<SqlBool>`t.expires_at > moment.at and t.revoked_at is null` : sql<SqlBool>`true`;
  const { rows } = await sql<TicketRow>`
    with moment as materialized (select ${now} as at)
    select t.id, customers.name || '/' || topics.name as topic, sites.name as site, t.epoch, t.issued_at as "issuedAt",
      t.expires_at as "expiresAt", t.expires_at > moment.at and t.revoked_at is null as "isLive",
      t.revoked_at as "revokedAt", t.sealed,
      (select count(*) from ticket_passwords p where p.ticket_id = t.id) as renewals
    from moment cross join tickets t
    join topics on topics.id = t.topic_id join customers on customers.id = topics.customer_id
    left join terminals on terminals.id = t.terminal_id left join sites on sites.id = terminals.site_id
    where ${ofTopic} and ${living}
    order by t.issued_at desc limit ${limit}`.execute(db);
  return rows;
}

/** They open nothing and are renewed for nobody from now on. Returns how many were not revoked before. */
export async function revokeTickets(
  trx: Registry,
  now: DatabaseNow,
  which: { topicId: string; id?: Uint8Array },
): Promise<number> {
  const { topicId, id } = which;
  let query = trx
    .updateTable('tickets')
    .set({ revoked_at: now })
    .where('topic_id', '=', topicId)
    .where('revoked_at', 'is', null);
  if (id) query = query.where('id', '=', Buffer.from(id));
  const { numUpdatedRows } = await query.executeTakeFirst();
  // the next one, not this one, may be as old as the moment
  const since = sql<Date>`date_trunc('milliseconds', ${now})`;
  await trx.updateTable('topics').set({ tickets_since: since }).where('id', '=', topicId).execute();
  return Number(numUpdatedRows);
}

/** The topic of a ticket. */
export async function topicOfTicket(db: Registry, id: Uint8Array): Promise<string | undefined> {
  const row = await db.selectFrom('tickets').select('topic_id').where('id', '=', Buffer.from(id)).executeTakeFirst();
  return row?.topic_id;
}
