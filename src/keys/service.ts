/**
 * The key service: gives a terminal one half of a ticket, never both, never stored. Any number of replicas share the
 * database and the master key. The control plane's door into src/keys.
 *
 * Every request is judged against the registry as it is now and by the database's clock. Whatever is wrong, the caller
 * hears E_KEY_REFUSED with one text (the log says which check), except that a right password which is over is
 * E_TICKET_EXPIRED, and a right envelope that was too long under way E_TRANSIT_AGE. Too many requests: E_KEY_BUSY.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RequestOf, ResponseOf } from '../api/methods.ts';
import { type Clock, systemClock } from '../clock.ts';
import {
  context,
  ID_BYTES,
  isSealedUnder,
  KEY_BYTES,
  newId16,
  type PublicKeyLike,
  parseSealedHeader,
  readCertificate,
  type SealedHeader,
  type SignFn,
  signCertificate,
  verifySignature,
} from '../envelope/index.ts';
import { BusError, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { Occasional } from '../occasional.ts';
import { appendAudit } from '../registry/audit.ts';
import type { Registry } from '../registry/connection.ts';
import {
  type DatabaseNow,
  databaseNow,
  findRequesters,
  findTickets,
  insertTickets,
  type NewTicket,
  noteSealed,
  putTicketPassword,
  type Requester,
  type RequesterQuestion,
  type TicketQuestion,
  type TicketTimes,
  type TicketView,
} from '../registry/tickets.ts';
import { Batch } from './batch.ts';
import { deriveOpenKey, deriveTicket, type TopicEpoch } from './derive.ts';
import { wrapTo } from './hpke.ts';
import { openProof, parseBytes, parseNonce, reticketProof, ticketProof, wrapInfo } from './proofs.ts';
import { RateLimit } from './rate-limit.ts';
import { type Check, RefusalAudit } from './refusals.ts';
import type { TopicRoots } from './topic-roots.ts';

export { graceMs, listKeyVersions } from '../registry/topic-keys.ts';
export { rewrapRoot } from './derive.ts';
export { type MasterKeyHolder, TopicRoots } from './topic-roots.ts';
export { destroyTopicKey, rotateTopicKey, upkeepTopicKeys, type VersionContext } from './versions.ts';

export interface KeyServiceOptions {
  db: Registry;
  roots: TopicRoots;
  /** the control plane's signing key: certificates are verified with it everywhere */
  signer: { publicKey: PublicKeyLike; sign: SignFn };
  log: Logger;
  /** life of a ticket and of a renewed password, ms */
  ticketLifeMs?: number;
  /** for rates only */
  clock?: Clock;
  /** for tests: a moment instead of the database's clock */
  now?: DatabaseNow;
}

export interface KeyService {
  /** @param siteId of the site whose key signed the request; errors as at the top, E_DATABASE_AWAY */
  ticket(siteId: string, request: RequestOf<'key.ticket'>): Promise<ResponseOf<'key.ticket'>>;
  /** What terminals of the site have sealed; numbers only grow. E_DATABASE_AWAY */
  noteSealed(siteId: string, told: readonly { ticketId: string; messages: number }[]): Promise<void>;
  open(siteId: string, request: RequestOf<'key.open'>): Promise<ResponseOf<'key.open'>>;
  reticket(siteId: string, request: RequestOf<'key.reticket'>): Promise<ResponseOf<'key.reticket'>>;
}

const fiveMinutes = 5 * 60_000;

/** Requests one replica takes; with several, a caller has that much at each. */
export const keyLimits = {
  site: { perSecond: 2_000, burst: 10_000 },
  /** of each kind: tickets, tickets of strict topics, openings. So none of them uses up what another needs */
  terminal: { perSecond: 200, burst: 1_000 },
  /** all terminals of a customer together, of each kind */
  customer: { perSecond: 1_000, burst: 5_000 },
  /** of a terminal */
  reticket: { perSecond: 50, burst: 500 },
  /** requests of a terminal that were refused, of each method: whoever guesses is soon not listened to */
  guesses: { perSecond: 10, burst: 200 },
};

export function createKeyService(options: KeyServiceOptions): KeyService {
  return new RegistryKeyService(options);
}

class RegistryKeyService implements KeyService {
  readonly #db: Registry;
  readonly #options: KeyServiceOptions;
  readonly #lifeMs: number;
  readonly #now: DatabaseNow;
  readonly #rates: Record<keyof typeof keyLimits, RateLimit>;
  readonly #audit: RefusalAudit;
  readonly #refusals: Occasional;
  readonly #requesters: Batch<RequesterQuestion, Requester | undefined>;
  readonly #tickets: Batch<TicketQuestion, TicketView | undefined>;
  readonly #inserts: Batch<NewTicket, TicketTimes | undefined>;

  constructor(options: KeyServiceOptions) {
    const clock = options.clock ?? systemClock;
    this.#db = options.db;
    this.#options = options;
    this.#lifeMs = options.ticketLifeMs ?? fiveMinutes;
    this.#now = options.now ?? databaseNow;
    this.#refusals = new Occasional(clock);
    this.#audit = new RefusalAudit(options.db, options.log, clock);
    this.#requesters = new Batch((questions) => findRequesters(this.#db, questions));
    this.#tickets = new Batch((questions) => findTickets(this.#db, this.#now, questions));
    this.#inserts = new Batch((tickets) => insertTickets(this.#db, this.#now, tickets));
    this.#rates = {
      site: new RateLimit(keyLimits.site, clock),
      terminal: new RateLimit(keyLimits.terminal, clock),
      customer: new RateLimit(keyLimits.customer, clock),
      reticket: new RateLimit(keyLimits.reticket, clock),
      guesses: new RateLimit(keyLimits.guesses, clock),
    };
  }

  async ticket(siteId: string, call: RequestOf<'key.ticket'>): Promise<ResponseOf<'key.ticket'>> {
    const request = { ...call, siteId, method: 'key.ticket' };
    const { terminalId, topicId } = request;
    const kind = request.messages === undefined ? 'ticket' : 'strict ticket';
    this.#limit(request, kind);
    const nonce = this.#parsed(parseNonce(request.nonce), request);
    const claim = ticketProof({ terminalId, topicId, nonce });
    const who = await this.#prove(request, context.proveTicket, claim, kind);
    return this.#issue(who, request, nonce);
  }

  async #issue(who: Requester, request: RequestOf<'key.ticket'>, nonce: Buffer): Promise<ResponseOf<'key.ticket'>> {
    const { terminalId, topicId } = request;
    const ticketId = newId16();
    const password = randomBytes(KEY_BYTES);
    const stored = { id: ticketId, topicId, terminalId, passwordHash: hashOf(password), lifeMs: this.#lifeMs };
    const { epoch, root, issuedMs, expiryMs } = await this.#store({ ...stored, messages: request.messages ?? 0 });
    const { sealing, opening } = await deriveTicket(root, { topicId, epoch }, ticketId);
    const scope = { customerId: who.customerId, topicId, epoch, ticketId, terminalId };
    const publicKeys = { signKey: opening.signKey, sealKey: sealing.sealKey };
    const certificate = signCertificate(
      { ...scope, ...publicKeys, notBeforeMs: issuedMs, expiryMs },
      this.#options.signer.sign,
    );
    const info = wrapInfo(context.wrapSealing, terminalId, ticketId, nonce);
    const wrapped = await wrapTo(keyBytes(who.wrapKey), info, Buffer.concat([password, sealing.signSeed]));
    return {
      ticketId: ticketId.toString('base64url'),
      epoch,
      ttlMs: this.#lifeMs,
      certificate: certificate.toString('base64url'),
      wrapped: wrapped.toString('base64url'),
    };
  }

  /** Stores a ticket under the epoch that seals; when that was retired just now, under its successor. */
  async #store(ticket: Omit<NewTicket, 'epoch'>) {
    for (let attempt = 1; attempt <= 3; attempt++) {
      const { epoch, root } = await this.#options.roots.sealing(this.#db, ticket.topicId);
      const times = await this.#inserts.ask({ ...ticket, epoch });
      if (times) this.#options.roots.noteSealed({ topicId: ticket.topicId, epoch }, ticket.messages);
      if (times) return { epoch, root, ...times };
    }
    throw new BusError('E_KEY_BUSY', 'the key of this topic is being replaced; ask again');
  }

  async noteSealed(siteId: string, told: readonly { ticketId: string; messages: number }[]): Promise<void> {
    const known = told.flatMap(({ ticketId, messages }) => {
      const id = parseBytes(ticketId, ID_BYTES);
      return id && messages > 0 ? [{ ticketId: id, messages }] : [];
    });
    if (known.length > 0) await noteSealed(this.#db, siteId, known);
  }

  async open(siteId: string, call: RequestOf<'key.open'>): Promise<ResponseOf<'key.open'>> {
    const request = { ...call, siteId, method: 'key.open' };
    const { terminalId, topicId } = request;
    this.#limit(request, 'open');
    const nonce = this.#parsed(parseNonce(request.nonce), request);
    const ticketId = this.#parsed(parseBytes(request.ticketId, ID_BYTES), request);
    const password = this.#parsed(parseBytes(request.password, KEY_BYTES), request);
    const claim = openProof({ terminalId, topicId, nonce, ticketId, password });
    const who = await this.#prove(request, context.proveOpen, claim, 'open');
    const ticket = await this.#ticketFor(ticketId, request);
    const at = { topicId, epoch: ticket.epoch };
    const root = await this.#rootOf(ticket, at, request);
    const leftMs = this.#passwordLife(ticket, password, request);
    const info = wrapInfo(context.wrapOpening, terminalId, ticketId, nonce);
    const wrapped = await wrapTo(keyBytes(who.wrapKey), info, deriveOpenKey(root, at, ticketId));
    return { ttlMs: Math.floor(leftMs), wrapped: wrapped.toString('base64url') };
  }

  async reticket(siteId: string, call: RequestOf<'key.reticket'>): Promise<ResponseOf<'key.reticket'>> {
    const request = { ...call, siteId, method: 'key.reticket' };
    const { terminalId, topicId } = request;
    this.#limit(request, 'open');
    if (!this.#rates.reticket.take(`${siteId}/${terminalId}`)) throw busy('this terminal');
    const nonce = this.#parsed(parseNonce(request.nonce), request);
    const headerBytes = Buffer.from(request.header, 'base64url');
    const claim = reticketProof({ terminalId, topicId, nonce, header: headerBytes });
    const who = await this.#prove(request, context.proveReticket, claim, 'open');
    const header = this.#genuineHeader(headerBytes, who, request);
    const ticket = await this.#ticketFor(header.ticketId, request);
    await this.#rootOf(ticket, { topicId, epoch: ticket.epoch }, request);
    this.#judgeHeader(header, ticket, request);
    return this.#renew(who, request, header.ticketId, nonce);
  }

  async #renew(
    who: Requester,
    request: RequestOf<'key.reticket'>,
    ticketId: Uint8Array,
    nonce: Buffer,
  ): Promise<ResponseOf<'key.reticket'>> {
    const { terminalId } = request;
    const password = randomBytes(KEY_BYTES);
    const stored = { ticketId, receiverId: terminalId, hash: hashOf(password), lifeMs: this.#lifeMs };
    const details = { terminalId, ticketId: Buffer.from(ticketId).toString('hex') };
    const entry = { actor: `site:${who.site}`, action: 'key.reticket', noun: who.topicPath, details };
    await this.#db.transaction().execute(async (trx) => {
      await putTicketPassword(trx, this.#now, stored);
      await appendAudit(trx, entry);
    });
    const info = wrapInfo(context.wrapPassword, terminalId, ticketId, nonce);
    const wrapped = await wrapTo(keyBytes(who.wrapKey), info, password);
    return { ttlMs: this.#lifeMs, wrapped: wrapped.toString('base64url') };
  }

  /** The proof of the securekey, by a live terminal of the calling site and of the topic's customer. */
  async #prove(request: Named, proofContext: string, claim: Uint8Array, kind: Kind): Promise<Requester> {
    const { siteId, terminalId, topicId } = request;
    const who = await this.#requesters.ask({ siteId, terminalId, topicId });
    if (!who) throw this.#refused(request, 'no registered terminal of this site with that topic');
    const proof = Buffer.from(request.proof, 'base64url');
    if (!verifySignature(proofContext, claim, proof, who.signKey)) throw this.#refused(request, 'proof');
    if (who.barred) throw this.#refused(request, who.barred);
    if (!this.#rates.customer.take(`${who.customerId} ${kind}`)) throw busy('this customer');
    return who;
  }

  /** The ticket, for a terminal in a group of its topic. */
  async #ticketFor(ticketId: Uint8Array, request: Named): Promise<TicketView> {
    const which = { ticketId, topicId: request.topicId, receiverId: request.terminalId };
    const ticket = await this.#tickets.ask(which);
    if (!ticket) throw this.#refused(request, 'no such ticket of the topic');
    if (ticket.isRevoked) throw this.#refused(request, 'ticket revoked');
    if (!ticket.isReceiver) throw this.#refused(request, 'not in a group of the topic');
    return ticket;
  }

  #rootOf(ticket: TicketView, at: TopicEpoch, request: Named): Promise<Buffer> {
    if (!ticket.wrappedRoot) throw this.#refused(request, 'epoch destroyed');
    return this.#options.roots.unwrap(at, ticket.wrappedRoot);
  }

  /** How long the password still opens, ms. Both candidates are compared, equal or not. */
  #passwordLife(ticket: TicketView, password: Uint8Array, request: Named): number {
    const hash = hashOf(password);
    const isOriginal = timingSafeEqual(hash, ticket.passwordHash);
    const isRenewed = timingSafeEqual(hash, ticket.renewed?.passwordHash ?? noHash) && ticket.renewed !== null;
    if (!isOriginal && !isRenewed) throw this.#refused(request, 'password');
    const leftMs = isOriginal ? ticket.leftMs : (ticket.renewed?.leftMs ?? 0);
    if (leftMs <= 0) throw new BusError('E_TICKET_EXPIRED', 'the password of this ticket has expired');
    return leftMs;
  }

  /** A header whose certificate this service signed, for just this customer, topic and ticket. */
  #genuineHeader(bytes: Uint8Array, who: Requester, request: Named): SealedHeader {
    try {
      const header = parseSealedHeader(bytes);
      const certificate = readCertificate(header.certificate, this.#options.signer.publicKey);
      const isMine = certificate.customerId === who.customerId && certificate.topicId === request.topicId;
      if (isMine && isSealedUnder(header, certificate)) return header;
    } catch (error) {
      if (!isBusError(error, 'E_ENVELOPE_BAD')) throw error;
    }
    throw this.#refused(request, 'header');
  }

  #judgeHeader(header: SealedHeader, ticket: TicketView, request: Named): void {
    const isSame = header.senderId === ticket.senderId && header.epoch === ticket.epoch;
    const hasPassword = timingSafeEqual(hashOf(header.password), ticket.passwordHash);
    if (!isSame || !hasPassword) throw this.#refused(request, 'header of another ticket');
    if (ticket.isSenderCompromised) throw this.#refused(request, 'sender reported compromised');
    if (ticket.ageMs <= ticket.maxTransitAgeMs) return;
    throw new BusError('E_TRANSIT_AGE', `ticket of ${Math.round(ticket.ageMs / 1000)} s ago is over maxTransitAgeMs`, {
      details: { ageMs: Math.round(ticket.ageMs), maxTransitAgeMs: ticket.maxTransitAgeMs },
    });
  }

  /** Before anything is looked up: a flood costs the service next to nothing. */
  #limit({ siteId, terminalId, method }: Named, kind: Kind): void {
    if (!this.#rates.guesses.has(`${siteId}/${terminalId} ${method}`)) throw busy('this terminal');
    if (!this.#rates.site.take(siteId)) throw busy('this site');
    if (!this.#rates.terminal.take(`${siteId}/${terminalId} ${kind}`)) throw busy('this terminal');
  }

  #parsed(bytes: Buffer | undefined, request: Named): Buffer {
    if (!bytes) throw this.#refused(request, 'malformed');
    return bytes;
  }

  #refused({ siteId, method, terminalId, topicId }: Named, check: Check): BusError {
    this.#rates.guesses.owe(`${siteId}/${terminalId} ${method}`);
    this.#audit.note({ siteId, method, terminalId, topicId, check });
    const unsaid = this.#refusals.say(`${siteId} ${check}`);
    if (unsaid !== undefined)
      this.#options.log.warn(
        { event: 'keys.refused', terminalId, topicId, check, unsaid },
        'a terminal was refused a key',
      );
    return new BusError('E_KEY_REFUSED', 'the key service refuses this terminal and topic');
  }
}

type Kind = 'ticket' | 'strict ticket' | 'open';

/** A request with where it came from. */
interface Named {
  siteId: string;
  method: string;
  terminalId: string;
  topicId: string;
  proof: string;
}

const noHash = Buffer.alloc(KEY_BYTES);

function hashOf(password: Uint8Array): Buffer {
  return createHash('sha256').update(password).digest();
}

function keyBytes(key: string): Buffer {
  return Buffer.from(key, 'base64url');
}

function busy(whom: string): BusError {
  return new BusError('E_KEY_BUSY', `too many requests to the key service from ${whom}`);
}
