/**
 * The door of src/envelope: what travels between terminals, as bytes. Pure: no I/O, no clock, no keys of its own.
 * body -> sealed envelope -> manifest beside it -> frame on a link -> marker in the group stream -> receipt back.
 */
export { type BusMessage, decodeBody, encodeBody, messageSize, subjectSuffix } from './body.ts';
export { type Certificate, readCertificate, signCertificate } from './certificate.ts';
export { asBuffer, ByteReader, ByteWriter } from './codec.ts';
export { type Flow, flowKey } from './flow.ts';
export {
  type ControlFrame,
  decodeFrame,
  type EnvelopeFrame,
  encodeFrame,
  encodeFrameHead,
  type Frame,
  type ReceiptFrame,
} from './frame.ts';
export { bytesToHex16, bytesToUuid, hex16ToBytes, newId16, uuidToBytes } from './ids.ts';
export { type Assignment, type Manifest, readManifest, signManifest } from './manifest.ts';
export { decodeMarker, encodeMarker, type Marker } from './marker.ts';
export { type Range, RangeSet } from './ranges.ts';
export { type Receipt, type ReceiptStatus, readReceipt, signReceipt } from './receipt.ts';
export {
  decodeSealed,
  encodeSealedHeader,
  isSealedUnder,
  parseSealedHeader,
  type SealedEnvelope,
  type SealedHeader,
  sealedParts,
} from './sealed.ts';
export {
  type PublicKeyLike,
  type SignFn,
  signatureInput,
  signerOf,
  toPublicKey,
  verifySignature,
} from './signature.ts';
export * from './wire.ts';
