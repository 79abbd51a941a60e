/**
 *   sealer at acme/tokyo ──key.ticket──▶ key service ◀──key.open, key.reticket── opener at acme/frankfurt
 *
 * The key service of a bus with a real PostgreSQL, and terminals that ask it; without the transport between them.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll } from 'vitest';
import type { ControlClient, RequestOf } from '../../src/api/methods.ts';
import { systemClock } from '../../src/clock.ts';
import { context, decodeSealed, type SealedEnvelope } from '../../src/envelope/index.ts';
import { wrapInfo } from '../../src/keys/index.ts';
import type { KeyService } from '../../src/keys/service.ts';
import { silentLogger } from '../../src/log.ts';
import { createOpener, createSealer } from '../../src/sealing/index.ts';
import { type Actor, type KeysBus, openRequest, reticketRequest, startKeysBus } from './keys.ts';

/** What an opening request claims in place of what the envelope says. */
interface Claims {
  topicId?: string;
  ticketId?: Uint8Array;
  password?: Uint8Array;
}

/** Started before the tests of a file and stopped after them. */
export function useKeyDesk(): KeyDesk {
  const desk = new KeyDesk();
  beforeAll(() => desk.start());
  afterAll(() => desk.bus?.close());
  return desk;
}

class KeyDesk {
  readonly body = Buffer.from('body');
  bus!: KeysBus;
  service!: KeyService;
  tokyo!: Actor;
  frankfurt!: Actor;
  virginia!: Actor;
  /** id of acme/trade */
  trade!: string;

  async start(): Promise<void> {
    this.bus = await startKeysBus();
    this.service = this.bus.service();
    this.tokyo = this.bus.actor('acme/tokyo');
    this.frankfurt = this.bus.actor('acme/frankfurt');
    this.virginia = this.bus.actor('acme/virginia');
    this.trade = this.bus.topic('acme/trade');
  }

  /** For a sealer or an opener at the terminal. */
  optionsOf(actor: Actor, of = this.service) {
    const { customerId, terminalId, keys } = actor;
    const serviceKey = () => this.bus.signer.publicKey;
    return {
      control: clientOf(actor, of),
      customerId,
      terminalId,
      keys,
      serviceKey,
      clock: systemClock,
      log: silentLogger,
    };
  }

  /** A fresh envelope of acme/trade, sealed at tokyo under a ticket of its own. */
  async sealOne(topicId = this.trade, actor = this.tokyo): Promise<SealedEnvelope & { bytes: Buffer }> {
    const sealer = createSealer(this.optionsOf(actor));
    const topic = { id: topicId, strict: true, keyEpoch: null, ticketsSinceMs: null };
    const { sealed } = await sealer.seal(topic, this.body, { count: 1, compress: false });
    sealer.stop();
    return { ...decodeSealed(sealed), bytes: sealed };
  }

  async openOne(sealed: Uint8Array, actor = this.frankfurt, of = this.service): Promise<Buffer> {
    const opener = createOpener(this.optionsOf(actor, of));
    const from = { topicId: this.trade, originId: this.tokyo.terminalId, ticketsSinceMs: null };
    try {
      return (await opener.open(sealed, from)).body;
    } finally {
      opener.stop();
    }
  }

  open(actor: Actor, sealed: SealedEnvelope, lies: Claims = {}, of = this.service) {
    const { topicId, ticketId, password } = { ...sealed, ...lies };
    return of.open(actor.siteId, openRequest(actor, topicId, ticketId, password));
  }

  reticket(actor: Actor, header: Uint8Array, of = this.service) {
    return of.reticket(actor.siteId, reticketRequest(actor, this.trade, header));
  }

  /** The password a re-ticket gave, as its receiver unwraps it. */
  async renewedPassword(actor: Actor, sealed: SealedEnvelope, of = this.service): Promise<Buffer> {
    const request = reticketRequest(actor, this.trade, sealed.header);
    const { wrapped } = await of.reticket(actor.siteId, request);
    const nonce = Buffer.from(request.nonce, 'base64url');
    const info = wrapInfo(context.wrapPassword, actor.terminalId, sealed.ticketId, nonce);
    return actor.keys.unwrap(Buffer.from(wrapped, 'base64url'), info);
  }

  /** Makes the ticket older. */
  async shiftTicket({ ticketId }: SealedEnvelope, ms: number): Promise<void> {
    await sql`update tickets set issued_at = issued_at - ${ms} * interval '1 millisecond',
      expires_at = expires_at - ${ms} * interval '1 millisecond' where id = ${ticketId}`.execute(this.bus.db);
  }
}

/** The service as a terminal of that site reaches it. */
function clientOf(actor: Actor, of: KeyService): Pick<ControlClient, 'call'> {
  const call = (method: string, request: unknown): Promise<unknown> => {
    if (method === 'key.ticket') return of.ticket(actor.siteId, request as RequestOf<'key.ticket'>);
    if (method === 'key.open') return of.open(actor.siteId, request as RequestOf<'key.open'>);
    return of.reticket(actor.siteId, request as RequestOf<'key.reticket'>);
  };
  return { call: call as ControlClient['call'] };
}
