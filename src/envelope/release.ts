/**
 * The release note: a transit terminal's signed word to an origin that it gave up an envelope for one destination. It
 * decides nothing about custody, which the origin never gave away; it only saves waiting for a receipt that will not come.
 * A lost one costs that wait, a false one a way around the terminal that signed it. Bad in any way: E_RECEIPT_BAD.
 */
import { ByteReader, ByteWriter } from './codec.ts';
import { type Flow, readFlow, writeFlow } from './flow.ts';
import { type PublicKeyLike, type SignFn, verifySignature } from './signature.ts';
import { context, FORMATS, SIGNATURE_BYTES } from './wire.ts';

export interface Release {
  customerId: string;
  flow: Flow;
  /** which gave up, and signs */
  terminalId: string;
  destinationId: string;
  first: number;
  last: number;
}

/** First byte after the format; other notes may follow. */
const kind = 1;

export function signRelease(release: Release, sign: SignFn, format = FORMATS.max): Buffer {
  const writer = new ByteWriter(160).u8(format).u8(kind).uuid(release.customerId);
  writeFlow(writer, release.flow);
  writer.uuid(release.terminalId).uuid(release.destinationId).varint(release.first).varint(release.last);
  const bytes = writer.finish();
  return Buffer.concat([bytes, sign(context.release, bytes)]);
}

/** Decodes and verifies with the key of the terminal that the note names. @throws E_RECEIPT_BAD */
export function readRelease(
  bytes: Uint8Array,
  publicKeyOf: (terminalId: string) => PublicKeyLike | undefined,
): Release {
  const reader: ByteReader = new ByteReader(bytes, 'release note', 'E_RECEIPT_BAD');
  reader.format();
  if (reader.u8() !== kind) reader.fail('unknown kind');
  const customerId = reader.uuid();
  const flow = readFlow(reader);
  const release = {
    customerId,
    flow,
    terminalId: reader.uuid(),
    destinationId: reader.uuid(),
    first: reader.varint(),
    last: reader.varint(),
  };
  const signed = reader.soFar();
  const signature = reader.bytes(SIGNATURE_BYTES);
  reader.end();
  const key = publicKeyOf(release.terminalId);
  if (key === undefined) reader.fail(`terminal ${release.terminalId} is not known`);
  if (!verifySignature(context.release, signed, signature, key)) reader.fail('the signature does not verify');
  return release;
}
