/**
 * The three requests to the key service as a terminal makes them: fresh nonce, proof of the securekey, and the answer
 * unwrapped with the info that binds it to terminal, ticket and request. Errors become those the message path knows:
 * E_KEY_AWAY and E_KEY_BUSY (retry), E_TICKET_EXPIRED (retry), E_KEY_REFUSED and E_TRANSIT_AGE (park).
 */
import type { ControlClient } from '../api/methods.ts';
import type { Clock } from '../clock.ts';
import { context, KEY_BYTES, newId16, type PublicKeyLike, signerOf } from '../envelope/index.ts';
import { BusError, errorText, isBusError } from '../errors.ts';
import type { HpkePrivateKey, TerminalKeys } from '../keys/index.ts';
import {
  importPrivateKey,
  openProof,
  privateKeyOf,
  reticketProof,
  shareSecret,
  ticketProof,
  wrapInfo,
} from '../keys/index.ts';
import { type KnownCertificate, verifyCertificate } from './open.ts';
import { type SealTicket, ticketInfo } from './seal.ts';

export interface KeyCallOptions {
  control: Pick<ControlClient, 'call'>;
  customerId: string;
  terminalId: string;
  keys: TerminalKeys;
  /** the key service's Ed25519 public key: `control.signKey` of the newest snapshot */
  serviceKey: () => PublicKeyLike;
  clock: Clock;
}

/** Something with an end on this machine's monotonic clock, counted from before the request was sent. */
export interface Timed<T> {
  value: T;
  startMs: number;
  endMs: number;
}

export class KeyCalls {
  readonly #options: KeyCallOptions;

  constructor(options: KeyCallOptions) {
    this.#options = options;
  }

  /** A new ticket for a topic. @param messages it will seal, when that is known. @throws E_KEY_AWAY E_KEY_BUSY E_KEY_REFUSED */
  async ticket(topicId: string, messages?: number): Promise<Timed<SealTicket>> {
    const { control, terminalId, keys, clock } = this.#options;
    const nonce = newId16();
    const proof = keys.sign(context.proveTicket, ticketProof({ terminalId, topicId, nonce }));
    const startMs = clock.monotonicMs();
    const request = { terminalId, topicId, nonce: text(nonce), proof: text(proof) };
    const answer = await asking(
      control.call('key.ticket', messages === undefined ? request : { ...request, messages }),
    );
    const value = await fitting(async () => {
      const known = this.#certificate(answer.certificate, topicId);
      const { ticketId } = known.certificate;
      const half = await this.#unwrap(context.wrapSealing, ticketId, nonce, answer.wrapped, 2 * KEY_BYTES);
      return toSealTicket(known, half);
    });
    return { value, startMs, endMs: startMs + answer.ttlMs };
  }

  /** The opening half of a ticket. @throws E_KEY_AWAY E_KEY_BUSY E_KEY_REFUSED E_TICKET_EXPIRED */
  async open(topicId: string, ticketId: Uint8Array, password: Uint8Array): Promise<Timed<HpkePrivateKey>> {
    const { control, terminalId, keys, clock } = this.#options;
    const nonce = newId16();
    const claim = { terminalId, topicId, nonce, ticketId, password };
    const proof = text(keys.sign(context.proveOpen, openProof(claim)));
    const request = { terminalId, topicId, ticketId: text(ticketId), password: text(password), nonce: text(nonce) };
    const startMs = clock.monotonicMs();
    const answer = await asking(control.call('key.open', { ...request, proof }));
    const value = await fitting(async () => {
      const raw = await this.#unwrap(context.wrapOpening, ticketId, nonce, answer.wrapped, KEY_BYTES);
      return importPrivateKey(raw);
    });
    return { value, startMs, endMs: startMs + answer.ttlMs };
  }

  /**
   * A new password for a ticket whose own has expired, proved by a header of one of its envelopes.
   * @throws E_KEY_AWAY E_KEY_BUSY E_KEY_REFUSED E_TRANSIT_AGE
   */
  async reticket(topicId: string, ticketId: Uint8Array, header: Uint8Array): Promise<Buffer> {
    const { control, terminalId, keys } = this.#options;
    const nonce = newId16();
    const proof = keys.sign(context.proveReticket, reticketProof({ terminalId, topicId, nonce, header }));
    const request = { terminalId, topicId, header: text(header), nonce: text(nonce), proof: text(proof) };
    const answer = await asking(control.call('key.reticket', request));
    return fitting(() => this.#unwrap(context.wrapPassword, ticketId, nonce, answer.wrapped, KEY_BYTES));
  }

  /** A ticket's certificate must be for this terminal and topic, whoever answered. */
  #certificate(encoded: string, topicId: string): KnownCertificate {
    const { customerId, terminalId, serviceKey } = this.#options;
    const known = verifyCertificate(Buffer.from(encoded, 'base64url'), serviceKey());
    const { certificate } = known;
    const isMine =
      certificate.customerId === customerId && certificate.terminalId === terminalId && certificate.topicId === topicId;
    if (!isMine) throw new BusError('E_ENVELOPE_BAD', 'the certificate is for another terminal or topic');
    return known;
  }

  async #unwrap(
    which: Parameters<typeof wrapInfo>[0],
    ticketId: Uint8Array,
    nonce: Uint8Array,
    wrapped: string,
    size: number,
  ): Promise<Buffer> {
    const { keys, terminalId } = this.#options;
    const info = wrapInfo(which, terminalId, ticketId, nonce);
    const plain = await keys.unwrap(Buffer.from(wrapped, 'base64url'), info);
    if (plain.length !== size) throw new BusError('E_ENVELOPE_BAD', 'the answer has another length');
    return plain;
  }
}

/** @param half password, then the Ed25519 seed */
async function toSealTicket(known: KnownCertificate, half: Buffer): Promise<SealTicket> {
  const { certificate, bytes } = known;
  const shared = await shareSecret(certificate.sealKey, ticketInfo(bytes), context.exportSecret);
  return {
    certificate,
    certificateBytes: bytes,
    password: half.subarray(0, KEY_BYTES),
    sign: signerOf(privateKeyOf('ed25519', half.subarray(KEY_BYTES))),
    enc: shared.enc,
    exportSecret: shared.secret,
  };
}

/** The control plane's errors as the key service's. */
async function asking<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    if (isBusError(cause, 'E_KEY_BUSY', 'E_KEY_REFUSED', 'E_TICKET_EXPIRED', 'E_TRANSIT_AGE')) throw cause;
    if (!isBusError(cause)) throw cause;
    const code = cause.disposition === 'retry' || cause.disposition === 'fatal' ? 'E_KEY_AWAY' : 'E_KEY_REFUSED';
    throw new BusError(code, `the key service gave no key: ${cause.message}`, { cause, details: { code: cause.code } });
  }
}

/** An answer that does not unwrap was made for another terminal, key or request: nothing to repeat at once. */
async function fitting<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new BusError('E_KEY_REFUSED', `the key service's answer does not fit the request: ${errorText(cause)}`, {
      cause,
    });
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
