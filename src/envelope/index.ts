/**
 * The door of src/envelope: what travels between terminals, as bytes. Pure: no I/O, no clock, no keys of its own.
 * body -> sealed envelope -> manifest beside it -> frame on a link -> marker in the group stream -> receipt back.
 */
export { type BusMessage, decodeBody, encodeBody, subjectSuffix } from './body.ts';
export { type Certificate, readCertificate, signCertificate } from './certificate.ts';
export { asBuffer, ByteReader, ByteWriter } from './codec.ts';
export { type Flow, flowKey } from './flow.ts';
export { agreedFormat, decodeFormats, encodeFormats, formatsText, reads } from './formats.ts';
export {
  decodeFrame,
  encodeFrame,
  encodeFrameHead,
} from './frame.ts';
export { bytesToUuid, newId16, uuidToBytes } from './ids.ts';
export { type Manifest, readManifest, signManifest } from './manifest.ts';
export { decodeMarker, encodeMarker } from './marker.ts';
export { RangeSet } from './ranges.ts';
export { type Receipt, readReceipt, signReceipt } from './receipt.ts';
export { type Release, readRelease, signRelease } from './release.ts';
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
