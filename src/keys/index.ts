/**
 * The door of src/keys for terminals: the securekey and what it derives, proofs, HPKE. The control plane's side is
 * service.ts, a door of its own, so that a sidecar does not load the database client.
 */
export {
  type HpkePrivateKey,
  importPrivateKey,
  receiveSecret,
  recipientContext,
  senderContext,
  shareSecret,
  wrapTo,
} from './hpke.ts';
export { hkdf, privateKeyOf } from './key-objects.ts';
export { openProof, reticketProof, ticketProof, wrapInfo } from './proofs.ts';
export { deriveTerminalKeys, newSecurekey, type TerminalKeys } from './terminal-keys.ts';
