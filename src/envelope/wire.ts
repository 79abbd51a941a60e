/**
 * Every number that stands on the wire or bounds what is read from it. docs/envelope.md explains them byte by byte.
 *
 * A frame's overhead over its messages (head, manifest, sealed header, body framing) stays under 64 KiB, the room that
 * nats-server's max_payload leaves above the largest application message.
 */

/** First byte of a certificate and of a marker, which no two sites need to agree upon. */
export const FORMAT = 1;

/** Formats of what travels between terminals, both included. */
export interface FormatRange {
  min: number;
  max: number;
}

/**
 * What this build reads and may write: the newest, and the one before it. First byte of frame, manifest, envelope, body,
 * receipt, release note and routing record; formats.ts agrees which.
 */
export const FORMATS: FormatRange = { min: 1, max: 1 };

/** DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, Ed25519 over SHA-512. */
export const SUITE_X25519_AES256GCM_ED25519 = 1;

export const ID_BYTES = 16;
export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const TAG_BYTES = 16;
export const MAC_BYTES = 32;

/** An atomic batch of nats-server takes 1,000 messages; the marker is one of them. */
export const MAX_MESSAGES = 999;
/** nats-server's default max_control_line, which bounds a publish subject */
export const MAX_SUBJECT_BYTES = 4096;
/** 8 MiB, the largest max_payload, and the framing of its one message */
export const MAX_BODY_BYTES = 8 * 1024 * 1024 + 16 * 1024;
export const MAX_CERTIFICATE_BYTES = 512;
export const MAX_SEALED_BYTES = MAX_BODY_BYTES + 4096;
/** groups of one manifest, and destinations of one frame */
export const MAX_ASSIGNMENTS = 512;
export const MAX_PATH = 32;
export const MAX_RANGES = 4096;
export const MAX_REASON_BYTES = 256;
/** manifest and receipt: 512 assignments of at most 40 bytes, or 4,096 ranges of at most 16 */
export const MAX_SIGNED_BYTES = 72 * 1024;
export const MAX_CONTROL_BYTES = 64 * 1024;

/**
 * What a signature, MAC, derivation or HPKE context is about. Before signed and MACed bytes stand its text and a zero
 * byte; no two uses share one, so nothing made for one purpose is worth anything for another.
 */
export const context = {
  manifest: 'mbus/1/manifest',
  receipt: 'mbus/1/receipt',
  /** a transit terminal's word that it gave an envelope up */
  release: 'mbus/1/release',
  /** signature over the SHA-256 of the envelope */
  envelope: 'mbus/1/envelope',
  certificate: 'mbus/1/certificate',
  marker: 'mbus/1/marker',
  /** what a terminal floods of itself: its links, its groups' consumers */
  linkState: 'mbus/1/link-state',
  load: 'mbus/1/load',
  /** HPKE from a ticket's sender to its receivers, and what both export from it */
  ticket: 'mbus/1/ticket',
  exportSecret: 'mbus/1/export-secret',
  /** key and commitment of one envelope */
  bodyKey: 'mbus/1/body-key',
  /** proofs of the securekey, one per request */
  proveTicket: 'mbus/1/prove-ticket',
  proveOpen: 'mbus/1/prove-open',
  proveReticket: 'mbus/1/prove-reticket',
  /** HPKE from the key service to a terminal, one per answer */
  wrapSealing: 'mbus/1/wrap-sealing-half',
  wrapOpening: 'mbus/1/wrap-opening-half',
  wrapPassword: 'mbus/1/wrap-password',
  /** what a securekey derives */
  terminalSign: 'mbus/1/terminal-sign',
  terminalWrap: 'mbus/1/terminal-wrap',
  /** what a topic's root secret derives for a ticket */
  ticketSeal: 'mbus/1/ticket-x25519',
  ticketSign: 'mbus/1/ticket-ed25519',
  /** a topic's root secret under the master key */
  root: 'mbus/1/topic-root',
} as const;
