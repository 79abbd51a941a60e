/**
 * The receipt: the destination terminal's signed answer for one flow and group, end to end. `received` is the set its
 * group stream and marker hold, so one receipt answers for everything before it, and losing one costs nothing.
 *
 * Replays are harmless: `received` only grows, and `gone`, `later` and `refused` speak of `first` to `last` under
 * `snapshotVersion` alone. A refused range is committed in the marker before the receipt is signed and stays refused.
 */
import { ByteReader, ByteWriter } from './codec.ts';
import { type Flow, readFlow, writeFlow } from './flow.ts';
import { RangeSet } from './ranges.ts';
import { type PublicKeyLike, type SignFn, verifySignature } from './signature.ts';
import { context, FORMATS, MAX_REASON_BYTES, MAX_SIGNED_BYTES, SIGNATURE_BYTES } from './wire.ts';

/** stored: see `received` · gone: no such topic or group here · later: not yet · refused: never here, assign anew */
type ReceiptStatus = 'stored' | 'gone' | 'later' | 'refused';

export interface Receipt {
  customerId: string;
  flow: Flow;
  groupId: string;
  /** the destination, which signs */
  terminalId: string;
  status: ReceiptStatus;
  /** the range this answers: first and last of the manifest */
  first: number;
  last: number;
  /** version of the destination's snapshot when it answered */
  snapshotVersion: number;
  received: RangeSet;
  /** for people, at most 256 bytes of UTF-8, empty when stored */
  reason: string;
}

const statuses: readonly ReceiptStatus[] = ['stored', 'gone', 'later', 'refused'];

/** Receipt bytes with the destination terminal's signature. @throws E_ENVELOPE_BAD when a field is out of range */
export function signReceipt(receipt: Receipt, sign: SignFn, format = FORMATS.max): Buffer {
  const writer = new ByteWriter(256 + receipt.received.ranges.length * 8);
  writeReceipt(writer.u8(format), receipt);
  const bytes = writer.finish();
  decodeReceipt(new ByteReader(bytes, 'receipt'));
  return Buffer.concat([bytes, sign(context.receipt, bytes)]);
}

/** Decodes and verifies with the key of the terminal that the receipt names. @throws E_RECEIPT_BAD */
export function readReceipt(
  bytes: Uint8Array,
  publicKeyOf: (terminalId: string) => PublicKeyLike | undefined,
): Receipt {
  const reader: ByteReader = new ByteReader(bytes, 'receipt', 'E_RECEIPT_BAD');
  if (bytes.length > MAX_SIGNED_BYTES) reader.fail('it is too long');
  const receipt = decodeReceipt(reader);
  const signed = reader.soFar();
  const signature = reader.bytes(SIGNATURE_BYTES);
  reader.end();
  const key = publicKeyOf(receipt.terminalId);
  if (key === undefined) reader.fail(`terminal ${receipt.terminalId} is not known`);
  if (!verifySignature(context.receipt, signed, signature, key)) reader.fail('the signature does not verify');
  return receipt;
}

function writeReceipt(writer: ByteWriter, receipt: Receipt): void {
  writer.uuid(receipt.customerId);
  writeFlow(writer, receipt.flow);
  writer
    .uuid(receipt.groupId)
    .uuid(receipt.terminalId)
    .u8(statuses.indexOf(receipt.status) + 1);
  writer.varint(receipt.first).varint(receipt.last).varint(receipt.snapshotVersion);
  receipt.received.encodeTo(writer);
  writer.text(receipt.reason);
}

function decodeReceipt(reader: ByteReader): Receipt {
  reader.format();
  const customerId = reader.uuid();
  const flow = readFlow(reader);
  const groupId = reader.uuid();
  const terminalId = reader.uuid();
  const status = statuses[reader.u8() - 1] ?? reader.fail('unknown status');
  const first = reader.varint();
  const last = reader.varint();
  if (first < 1 || last < first) reader.fail(`${first} to ${last} is not a range`);
  const snapshotVersion = reader.varint();
  const received = RangeSet.decodeFrom(reader);
  const reason = reader.text(MAX_REASON_BYTES);
  return { customerId, flow, groupId, terminalId, status, first, last, snapshotVersion, received, reason };
}
