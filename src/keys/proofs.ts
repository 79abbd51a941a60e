/**
 * What a terminal signs to prove its securekey, and what an answer is bound to when it is wrapped. Terminal and key
 * service build both from the same fields, so an answer that is replayed, or given to another terminal, does not unwrap.
 */
import { ByteWriter, type context, signatureInput } from '../envelope/index.ts';

const nonceBytes = 16;

export interface TicketClaim {
  terminalId: string;
  topicId: string;
  nonce: Uint8Array;
}

export interface OpenClaim extends TicketClaim {
  ticketId: Uint8Array;
  password: Uint8Array;
}

export interface ReticketClaim extends TicketClaim {
  /** an envelope's header as it stands in the envelope */
  header: Uint8Array;
}

/** A request's nonce from its base64url text, undefined unless it is 16 bytes in their one spelling. */
export function parseNonce(text: string): Buffer | undefined {
  return parseBytes(text, nonceBytes);
}

/** base64url text as exactly `size` bytes, undefined when it is anything else. */
export function parseBytes(text: string, size: number): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === size && bytes.toString('base64url') === text ? bytes : undefined;
}

export function ticketProof(claim: TicketClaim): Buffer {
  return claimWriter(claim).finish();
}

export function openProof(claim: OpenClaim): Buffer {
  return claimWriter(claim).bytes(claim.ticketId).bytes(claim.password).finish();
}

export function reticketProof(claim: ReticketClaim): Buffer {
  return claimWriter(claim).sized(claim.header).finish();
}

function claimWriter(claim: TicketClaim): ByteWriter {
  return new ByteWriter(512).uuid(claim.terminalId).uuid(claim.topicId).bytes(claim.nonce);
}

type WrapContext = typeof context.wrapSealing | typeof context.wrapOpening | typeof context.wrapPassword;

/** HPKE info of an answer: which half, for which terminal and ticket, to which request. */
export function wrapInfo(which: WrapContext, terminalId: string, ticketId: Uint8Array, nonce: Uint8Array): Buffer {
  return signatureInput(which, new ByteWriter(64).uuid(terminalId).bytes(ticketId).bytes(nonce).finish());
}
