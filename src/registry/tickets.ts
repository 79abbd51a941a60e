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

export interface RequesterQuestion {
  siteId: string;
  terminalId: string;
  topicId: string;
}

interface RequesterRow {
  at: number;
  customer_id: string;
  sign_key: string;
  wrap_key: string;
  site: string;
  customer: string;
  topic: string;
  compromised: string | null;
  revoked_at: Date | null;
  site_revoked_at: Date | null;
  is_suspended: boolean;
}

/** For each question, in order: the registered terminal of that site, whose customer owns the topic. */
export async function findRequesters(
  db: Registry,
  questions: readonly RequesterQuestion[],
): Promise<(Requester | undefined)[]> {
  const column = (name: keyof RequesterQuestion): string[] => questions.map((question) => question[name]);
  const { rows } = await sql<RequesterRow>`
    select asked.at, terminals.customer_id, terminals.sign_key, terminals.wrap_key, sites.name as site,
      customers.name as customer, topics.name as topic, compromised.terminal_id as compromised, terminals.revoked_at,
      sites.revoked_at as site_revoked_at, customers.is_suspended
    from unnest(${column('terminalId')}::uuid[], ${column('siteId')}::uuid[], ${column('topicId')}::uuid[])
      with ordinality as asked (terminal_id, site_id, topic_id, at)
    join terminals on terminals.id = asked.terminal_id and terminals.site_id = asked.site_id
    join topics on topics.id = asked.topic_id and topics.customer_id = terminals.customer_id
    join customers on customers.id = terminals.customer_id
    join sites on sites.id = terminals.site_id
    left join compromised_terminals compromised
      on compromised.terminal_id = terminals.id and compromised.reported_at >= terminals.registered_at
    where terminals.sign_key is not null and terminals.wrap_key is not null`.execute(db);
  const found = new Map(rows.map((row) => [row.at, row]));
  return questions.map((_, at) => toRequester(found.get(at + 1)));
}

function toRequester(row: RequesterRow | undefined): Requester | undefined {
  return (
    row && {
      customerId: row.customer_id,
      signKey: row.sign_key,
      wrapKey: row.wrap_key,
      barred: barredBecause(row),
      site: row.site,
      topicPath: `${row.customer}/${row.topic}`,
    }
  );
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

export interface TicketTimes {
  /** ms since 1970 */
  issuedMs: number;
  expiryMs: number;
}

/** Stores them; for each, in order, its times, or undefined when its epoch seals no more. */
export async function insertTickets(
  db: Registry,
  now: DatabaseNow,
  tickets: readonly NewTicket[],
): Promise<(TicketTimes | undefined)[]> {
  const column = <K extends keyof NewTicket>(name: K): NewTicket[K][] => tickets.map((ticket) => ticket[name]);
  const { rows } = await sql<{ id: Buffer; issued: number; expiry: number }>`
    with moment as materialized (select date_trunc('milliseconds', ${now}) as at)
    insert into tickets (id, topic_id, epoch, terminal_id, password_hash, sealed, issued_at, expires_at)
    select new.id, keys.topic_id, keys.epoch, new.terminal_id, new.password_hash, new.messages,
      moment.at, moment.at + new.life_ms * interval '1 millisecond'
    from moment cross join unnest(${column('id')}::bytea[], ${column('topicId')}::uuid[], ${column('epoch')}::int[],
      ${column('terminalId')}::uuid[], ${column('passwordHash')}::bytea[], ${column('messages')}::bigint[],
      ${column('lifeMs')}::float8[]) as new (id, topic_id, epoch, terminal_id, password_hash, messages, life_ms)
    join topic_keys keys on keys.topic_id = new.topic_id and keys.epoch = new.epoch and keys.retired_at is null
    returning id, extract(epoch from issued_at)::double precision * 1000 as issued,
      extract(epoch from expires_at)::double precision * 1000 as expiry`.execute(db);
  const stored = new Map(rows.map((row) => [row.id.toString('hex'), row]));
  return tickets.map(({ id }) => {
    const row = stored.get(Buffer.from(id).toString('hex'));
    return row && { issuedMs: Math.round(row.issued), expiryMs: Math.round(row.expiry) };
  });
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
  question: number;
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

export interface TicketQuestion {
  ticketId: Uint8Array;
  topicId: string;
  receiverId: string;
}

/** For each question, in order: the ticket as that receiver stands to it now. */
export async function findTickets(
  db: Registry,
  now: DatabaseNow,
  questions: readonly TicketQuestion[],
): Promise<(TicketView | undefined)[]> {
  const column = <K extends keyof TicketQuestion>(name: K): TicketQuestion[K][] => questions.map((each) => each[name]);
  const { rows } = await sql<TicketRow>`
    with moment as materialized (select ${now} as at)
    select asked.at as question, t.epoch, t.terminal_id, k.wrapped, t.password_hash,
      extract(epoch from t.expires_at - moment.at)::double precision * 1000 as left_ms,
      p.password_hash as renewed_hash,
      extract(epoch from p.expires_at - moment.at)::double precision * 1000 as renewed_left_ms,
      exists (select from group_terminals m join groups g on g.id = m.group_id
        where g.topic_id = t.topic_id and m.terminal_id = asked.receiver_id) as is_receiver,
      exists (select from compromised_terminals c
        where c.terminal_id = t.terminal_id and c.reported_at >= t.issued_at) as is_compromised,
      t.revoked_at is not null as is_revoked,
      extract(epoch from moment.at - t.issued_at)::double precision * 1000 as age_ms,
      topics.max_transit_age_ms
    from moment cross join unnest(${column('ticketId')}::bytea[], ${column('topicId')}::uuid[], ${column('receiverId')}::uuid[])
      with ordinality as asked (ticket_id, topic_id, receiver_id, at)
    join tickets t on t.id = asked.ticket_id and t.topic_id = asked.topic_id
    join topics on topics.id = t.topic_id
    join topic_keys k on k.topic_id = t.topic_id and k.epoch = t.epoch
    left join ticket_passwords p on p.ticket_id = t.id and p.terminal_id = asked.receiver_id`.execute(db);
  const found = new Map(rows.map((row) => [row.question, row]));
  return questions.map((_, at) => {
    const row = found.get(at + 1);
    return row && toView(row);
  });
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
