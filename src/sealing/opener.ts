/**
 * The receiving side of a terminal: opens envelopes. The opening half of a ticket is fetched once, kept in memory while
 * the ticket lives, and shared by all its envelopes; an expired ticket is asked for anew once, not per envelope.
 *
 * E_ENVELOPE_BAD (reject): the envelope is not genuine. E_KEY_AWAY, E_KEY_BUSY, E_TICKET_EXPIRED (retry).
 * E_KEY_REFUSED, E_TRANSIT_AGE (park). A refusal stands for 5 s before the service is asked again about that ticket.
 */
import { context, type SealedEnvelope } from '../envelope/index.ts';
import { type BusError, codedText, isBusError } from '../errors.ts';
import { type HpkePrivateKey, receiveSecret } from '../keys/index.ts';
import type { Logger } from '../log.ts';
import { type KeyCallOptions, KeyCalls, type Timed } from './key-calls.ts';
import { type KnownCertificate, openBody, verifyCertificate, verifySealed } from './open.ts';
import { ticketInfo } from './seal.ts';
import { startSweep } from './sweep.ts';

interface OpenerOptions extends KeyCallOptions {
  log: Logger;
}

interface Opened {
  /** as encodeBody made it, of the topic expected */
  body: Buffer;
  /** the sender's wall clock, for people */
  createdMs: number;
  /** messages the header claims; the body decides */
  count: number;
  /** 16 bytes, to be compared with the manifest's */
  envelopeId: Uint8Array;
}

export interface Expected {
  topicId: string;
  originId: string;
  /** of the topic's snapshot: halves of older tickets are asked for again */
  ticketsSinceMs: number | null;
}

export interface Opener {
  /** @throws E_ENVELOPE_BAD E_KEY_AWAY E_KEY_BUSY E_KEY_REFUSED E_TICKET_EXPIRED E_TRANSIT_AGE */
  open(sealed: Uint8Array, expect: Expected): Promise<Opened>;
  /** Why envelopes of the topic wait sealed for their key, empty when none does. */
  waitingReason(topicId: string): string;
  stop(): void;
}

interface TicketState {
  known: KnownCertificate;
  half: Timed<HpkePrivateKey> | undefined;
  /** exported secret of the ticket's encapsulated key */
  secret: { enc: Buffer; value: Buffer } | undefined;
  asking: Promise<Timed<HpkePrivateKey>> | undefined;
  refusal: { error: BusError; untilMs: number } | undefined;
  askedSinceMs: number | null;
  /** the last try to get a key failed, and an envelope came for it within the last minute */
  waiting: { topicId: string; text: string; atMs: number } | undefined;
}

const maxTickets = 1_024;
const refusalMs = 5_000;
const sweepMs = 5_000;
const waitingMs = 60_000;

export function createOpener(options: OpenerOptions): Opener {
  return new TicketOpener(options);
}

class TicketOpener implements Opener {
  readonly #options: OpenerOptions;
  readonly #calls: KeyCalls;
  /** by certificate, least recently used first */
  readonly #tickets = new Map<string, TicketState>();
  readonly #sweep: { stop(): void };

  constructor(options: OpenerOptions) {
    this.#options = options;
    this.#calls = new KeyCalls(options);
    this.#sweep = startSweep(options.clock, sweepMs, () => this.#forgetEnded());
  }

  async open(sealed: Uint8Array, expect: Expected): Promise<Opened> {
    const { topicId, originId, ticketsSinceMs } = expect;
    const expectation = { topicId, originId, customerId: this.#options.customerId };
    const { envelope, known } = verifySealed(sealed, expectation, (bytes) => this.#known(bytes));
    const state = this.#stateOf(known);
    // a half that was fetched before tickets were revoked may be one of theirs
    if (state.askedSinceMs !== ticketsSinceMs) forget(state);
    state.askedSinceMs = ticketsSinceMs;
    const body = openBody(envelope, await this.#secretOf(state, envelope));
    return { body, createdMs: envelope.createdMs, count: envelope.count, envelopeId: envelope.envelopeId };
  }

  waitingReason(topicId: string): string {
    const since = this.#options.clock.monotonicMs() - waitingMs;
    const reasons = [...this.#tickets.values()].flatMap(({ waiting }) =>
      waiting !== undefined && waiting.topicId === topicId && waiting.atMs >= since ? [waiting.text] : [],
    );
    if (reasons.length === 0) return '';
    return `envelopes of ${reasons.length} tickets wait sealed: ${[...new Set(reasons)].join('; ')}`;
  }

  stop(): void {
    this.#sweep.stop();
    this.#tickets.clear();
  }

  #known(certificateBytes: Uint8Array): KnownCertificate {
    const known = this.#tickets.get(keyOf(certificateBytes))?.known;
    return known ?? verifyCertificate(certificateBytes, this.#options.serviceKey());
  }

  #stateOf(known: KnownCertificate): TicketState {
    const key = keyOf(known.bytes);
    const state = this.#tickets.get(key) ?? newState(known);
    this.#tickets.delete(key);
    this.#tickets.set(key, state);
    if (this.#tickets.size > maxTickets) this.#tickets.delete(this.#tickets.keys().next().value!);
    return state;
  }

  async #secretOf(state: TicketState, envelope: SealedEnvelope): Promise<Buffer> {
    const half = await this.#halfOf(state, envelope);
    if (state.secret?.enc.equals(envelope.enc)) return state.secret.value;
    const enc = Buffer.from(envelope.enc);
    const value = await receiveSecret(half, enc, ticketInfo(state.known.bytes), context.exportSecret);
    // the sweep may have forgotten the half meanwhile, and then the secret goes too
    if (state.half?.value === half) state.secret = { enc, value };
    return value;
  }

  async #halfOf(state: TicketState, envelope: SealedEnvelope): Promise<HpkePrivateKey> {
    const now = this.#options.clock.monotonicMs();
    if (state.half && now < state.half.endMs) return state.half.value;
    if (state.refusal && now < state.refusal.untilMs) throw state.refusal.error;
    forget(state);
    state.asking ??= this.#ask(state, envelope).finally(() => {
      state.asking = undefined;
    });
    return (await state.asking).value;
  }

  async #ask(state: TicketState, envelope: SealedEnvelope): Promise<Timed<HpkePrivateKey>> {
    try {
      state.half = await this.#fetch(envelope);
      state.waiting = undefined;
      return state.half;
    } catch (error) {
      const atMs = this.#options.clock.monotonicMs();
      state.waiting = { topicId: envelope.topicId, text: codedText(error), atMs };
      if (isBusError(error) && error.disposition === 'park') {
        state.refusal = { error, untilMs: this.#options.clock.monotonicMs() + refusalMs };
      }
      throw error;
    }
  }

  async #fetch(envelope: SealedEnvelope): Promise<Timed<HpkePrivateKey>> {
    const { topicId, ticketId, password, header } = envelope;
    try {
      return await this.#calls.open(topicId, ticketId, password);
    } catch (error) {
      if (!isBusError(error, 'E_TICKET_EXPIRED')) throw error;
    }
    const ticket = Buffer.from(ticketId).toString('hex');
    this.#options.log.debug({ event: 'sealing.reticket', topicId, ticket }, 'an expired ticket is asked for again');
    const fresh = await this.#calls.reticket(topicId, ticketId, header);
    return this.#calls.open(topicId, ticketId, fresh);
  }

  #forgetEnded(): void {
    const now = this.#options.clock.monotonicMs();
    for (const state of this.#tickets.values()) {
      if (state.half && now + sweepMs >= state.half.endMs) forget(state);
    }
  }
}

function newState(known: KnownCertificate): TicketState {
  return {
    known,
    half: undefined,
    secret: undefined,
    asking: undefined,
    refusal: undefined,
    askedSinceMs: null,
    waiting: undefined,
  };
}

function forget(state: TicketState): void {
  state.half = undefined;
  state.secret = undefined;
}

function keyOf(certificateBytes: Uint8Array): string {
  return Buffer.from(certificateBytes).toString('latin1');
}
