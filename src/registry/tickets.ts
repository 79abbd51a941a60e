/**
 * Tickets and what the key service must know to judge a request about one. Time is the database's clock_timestamp():
 * the moment of the query even inside a long transaction, and the same for every replica.
 */
import { type Expression, sql } from 'kysely';
import type { Registry } from './connection.ts';

/** The database's own time; tests put a fixed moment in its place. */
export type DatabaseNow = Expression<Date>;
export const databaseNow: DatabaseNow = sql<Date>`clock_timestamp()`;

export interface Requester {
  customerId: string;
  /** Ed25519 and X25519 public keys of a registered terminal */
  signKey: string;
  wrapKey: string;
  /** why it gets nothing whatever it proves, null when nothing is against it */
  barred: 'reported compromised' | 'terminal revoked' | 'site revoked' | 'customer suspended' | null;
  /** for logs and audit */
  site: string;
  topicPath: string;
}

/** A registered terminal of this site whose customer owns the topic. */
export async function findRequester(
  db: Registry,
  who: { siteId: string; terminalId: string; topicId: string },
): Promise<Requester | undefined> {
  const row = await db
    .selectFrom('terminals')
    .innerJoin('topics', 'topics.customer_id', 'terminals.customer_id')
    .innerJoin('customers', 'customers.id', 'terminals.customer_id')
    .innerJoin('sites', 'sites.id', 'terminals.site_id')
    .leftJoin('compromised_terminals as compromised', (join) =>
      join
        .onRef('compromised.terminal_id', '=', 'terminals.id')
        .onRef('compromised.reported_at', '>=', 'terminals.registered_at'),
    )
    .select(['terminals.customer_id', 'terminals.sign_key', 'terminals.wrap_key', 'sites.name as site'])
    .select(['customers.name as customer', 'topics.name as topic', 'compromised.terminal_id as compromised'])
    .select(['terminals.revoked_at', 'sites.revoked_at as site_revoked_at', 'customers.is_suspended'])
    .where('terminals.id', '=', who.terminalId)
    .where('terminals.site_id', '=', who.siteId)
    .where('topics.id', '=', who.topicId)
    .executeTakeFirst();
  if (!row || row.sign_key === null || row.wrap_key === null) return undefined;
  return {
    customerId: row.customer_id,
    signKey: row.sign_key,
    wrapKey: row.wrap_key,
    barred: barredBecause(row),
    site: row.site,
    topicPath: `${row.customer}/${row.topic}`,
  };
}

function barredBecause(row: {
  compromised: string | null;
  revoked_at: Date | null;
  site_revoked_at: Date | null;
  is_suspended: boolean;
}): Requester['barred'] {
  if (row.compromised !== null) return 'reported compromised';
  if (row.revoked_at !== null) return 'terminal revoked';
  if (row.site_revoked_at !== null) return 'site revoked';
  return row.is_suspended ? 'customer suspended' : null;
}

export interface NewTicket {
  id: Uint8Array;
  topicId: string;
  epoch: number;
  terminalId: string;
  passwordHash: Uint8Array;
  lifeMs: number;
  /** that it will seal, where that is known ahead */
  messages: number;
}

/** Returns its times, ms since 1970; undefined when the epoch seals no more. */
export async function insertTicket(
  db: Registry,
  now: DatabaseNow,
  ticket: NewTicket,
): Promise<{ issuedMs: number; expiryMs: number } | undefined> {
  const { rows } = await sql<{ issued: number; expiry: number }>`
    with moment as (select date_trunc('milliseconds', ${now}) as at)
    insert into tickets (id, topic_id, epoch, terminal_id, password_hash, sealed, issued_at, expires_at)
    select ${ticket.id}, topic_id, epoch, ${ticket.terminalId}, ${ticket.passwordHash}, ${ticket.messages}::bigint,
      at, at + ${ticket.lifeMs} * interval '1 millisecond' from moment, topic_keys
    where topic_id = ${ticket.topicId} and epoch = ${ticket.epoch} and retired_at is null
    returning extract(epoch from issued_at)::double precision * 1000 as issued,
      extract(epoch from expires_at)::double precision * 1000 as expiry`.execute(db);
  return rows[0] && { issuedMs: Math.round(rows[0].issued), expiryMs: Math.round(rows[0].expiry) };
}

/** What terminals of a site have sealed with their tickets; numbers only grow, so the same told again changes nothing. */
export async function noteSealed(
  db: Registry,
  siteId: string,
  told: readonly { ticketId: Uint8Array; messages: number }[],
): Promise<void> {
  await sql`
    with told as (select * from unnest(${told.map((each) => each.ticketId)}::bytea[], ${told.map((each) => each.messages)}::bigint[])
        as told (id, messages)),
      news as (select t.id, t.topic_id, t.epoch, told.messages, told.messages - t.sealed as more
        from tickets t join told on told.id = t.id
        join terminals on terminals.id = t.terminal_id and terminals.site_id = ${siteId}
        where told.messages > t.sealed order by t.id for update of t),
      noted as (update tickets set sealed = news.messages from news where tickets.id = news.id)
    update topic_keys k set sealed = k.sealed + sums.more
    from (select topic_id, epoch, sum(more)::bigint as more from news group by topic_id, epoch) sums
    where k.topic_id = sums.topic_id and k.epoch = sums.epoch`.execute(db);
}

/** A ticket as one receiver stands to it now. */
export interface TicketView {
  epoch: number;
  senderId: string;
  /** root secret of its epoch, null once destroyed */
  wrappedRoot: Buffer | null;
  passwordHash: Buffer;
  /** to its expiry, zero or less when it is over */
  leftMs: number;
  /** the password made for this receiver, if there is one */
  renewed: { passwordHash: Buffer; leftMs: number } | null;
  /** whether the receiver is in a group of the topic */
  isReceiver: boolean;
  isSenderCompromised: boolean;
  isRevoked: boolean;
  ageMs: number;
  maxTransitAgeMs: number;
}

interface TicketRow {
  epoch: number;
  terminal_id: string;
  wrapped: Buffer | null;
  password_hash: Buffer;
  left_ms: number;
  renewed_hash: Buffer | null;
  renewed_left_ms: number | null;
  is_receiver: boolean;
  is_compromised: boolean;
  is_revoked: boolean;
  age_ms: number;
  max_transit_age_ms: number;
}

export async function findTicket(
  db: Registry,
  now: DatabaseNow,
  which: { ticketId: Uint8Array; topicId: string; receiverId: string },
): Promise<TicketView | undefined> {
  const { rows } = await sql<TicketRow>`
    with moment as materialized (select ${now} as at)
    select t.epoch, t.terminal_id, k.wrapped, t.password_hash,
      extract(epoch from t.expires_at - moment.at)::double precision * 1000 as left_ms,
      p.password_hash as renewed_hash,
      extract(epoch from p.expires_at - moment.at)::double precision * 1000 as renewed_left_ms,
      exists (select from group_terminals m join groups g on g.id = m.group_id
        where g.topic_id = t.topic_id and m.terminal_id = ${which.receiverId}) as is_receiver,
      exists (select from compromised_terminals c
        where c.terminal_id = t.terminal_id and c.reported_at >= t.issued_at) as is_compromised,
      t.revoked_at is not null as is_revoked,
      extract(epoch from moment.at - t.issued_at)::double precision * 1000 as age_ms,
      topics.max_transit_age_ms
    from moment
    join tickets t on t.id = ${which.ticketId} and t.topic_id = ${which.topicId}
    join topics on topics.id = t.topic_id
    join topic_keys k on k.topic_id = t.topic_id and k.epoch = t.epoch
    left join ticket_passwords p on p.ticket_id = t.id and p.terminal_id = ${which.receiverId}`.execute(db);
  return rows[0] && toView(rows[0]);
}

function toView(row: TicketRow): TicketView {
  const renewed =
    row.renewed_hash === null ? null : { passwordHash: row.renewed_hash, leftMs: row.renewed_left_ms ?? 0 };
  return {
    epoch: row.epoch,
    senderId: row.terminal_id,
    wrappedRoot: row.wrapped,
    passwordHash: row.password_hash,
    leftMs: row.left_ms,
    renewed,
    isReceiver: row.is_receiver,
    isSenderCompromised: row.is_compromised,
    isRevoked: row.is_revoked,
    ageMs: row.age_ms,
    maxTransitAgeMs: row.max_transit_age_ms,
  };
}

/** A new password for one receiver; the one before is worth nothing from now on. */
export async function putTicketPassword(
  db: Registry,
  now: DatabaseNow,
  password: { ticketId: Uint8Array; receiverId: string; hash: Uint8Array; lifeMs: number },
): Promise<void> {
  await sql`
    insert into ticket_passwords (ticket_id, terminal_id, password_hash, expires_at)
    values (${password.ticketId}, ${password.receiverId}, ${password.hash},
      ${now} + ${password.lifeMs} * interval '1 millisecond')
    on conflict (ticket_id, terminal_id) do update
      set password_hash = excluded.password_hash, expires_at = excluded.expires_at`.execute(db);
}

/** Deletes tickets that no re-ticket could renew any more, a bounded number at a time. */
export async function deleteOldTickets(db: Registry, now: DatabaseNow): Promise<void> {
  await sql`
    delete from tickets where id in (
      select t.id from tickets t join topics on topics.id = t.topic_id
      where t.issued_at < ${now} - (topics.max_transit_age_ms + 86400000) * interval '1 millisecond'
      limit 10000)`.execute(db);
}
