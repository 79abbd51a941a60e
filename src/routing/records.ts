/**
 * What a terminal floods of itself, as bytes: a link-state record (its links that are up, with their cost) and a load
 * record (its groups with their consumers). Signed by the terminal's key over everything that is in it.
 *
 * One form per content: entries ascend by id and none stands twice. There is no age field, because nothing that changes on
 * the way could be signed: who holds a record counts its age himself. Bad in any way: E_RECORD_BAD.
 */
import {
  ByteReader,
  ByteWriter,
  context,
  FORMATS,
  ID_BYTES,
  MAX_CONTROL_BYTES,
  type PublicKeyLike,
  SIGNATURE_BYTES,
  type SignFn,
  verifySignature,
} from '../envelope/index.ts';

export interface LinkEntry {
  linkId: string;
  isDegraded: boolean;
  /** what is measured adds this to the operator cost, thousandths */
  extraMilli: number;
  /** 0 until measured */
  rttMs: number;
}

/** What a terminal says of one group's consumers there. */
export interface LoadEntry {
  groupId: string;
  isDraining: boolean;
  consumers: number;
  /** messages that wait for them */
  waiting: number;
}

export interface RecordHead {
  kind: 'links' | 'load';
  customerId: string;
  terminalId: string;
  /** grows with every record of the terminal */
  sequence: number;
}

export type RoutingRecord =
  | (RecordHead & { kind: 'links'; links: LinkEntry[] })
  | (RecordHead & { kind: 'load'; load: LoadEntry[] });

/** Leaves room for a terminal to go on after any sequence that was ever its own. */
export const maxSequence = 2 ** 48;

const kinds: readonly RecordHead['kind'][] = ['links', 'load'];
const contexts = { links: context.linkState, load: context.load } as const;
const maxEntries = 2_048;
const maxMilli = 1_000_000;
const maxRttMs = 600_000;
const flagSet = 1;
/** format, kind, customer, terminal, sequence: where the entries begin */
const headBytes = 2 + 2 * ID_BYTES + 8;

/** Record bytes with the terminal's signature. @throws E_RECORD_BAD or E_ENVELOPE_BAD when a field is out of range */
export function signRecord(record: RoutingRecord, sign: SignFn, format = FORMATS.max): Buffer {
  const bytes = encode(record, format);
  // what cannot be read back must not be signed
  decode(new ByteReader(bytes, 'routing record', 'E_RECORD_BAD'));
  return Buffer.concat([bytes, sign(contexts[record.kind], bytes)]);
}

/** The fixed fields at the front, unverified: enough to leave out what is known already. */
export function peekRecord(bytes: Uint8Array): RecordHead {
  return readHead(new ByteReader(bytes, 'routing record', 'E_RECORD_BAD'));
}

/** A record whose signature is still to be checked. */
export interface DecodedRecord {
  record: RoutingRecord;
  /** all of it */
  bytes: Uint8Array;
  signed: Uint8Array;
  signature: Uint8Array;
}

/** @throws E_RECORD_BAD */
export function decodeRecord(bytes: Uint8Array): DecodedRecord {
  const reader: ByteReader = new ByteReader(bytes, 'routing record', 'E_RECORD_BAD');
  if (bytes.length > MAX_CONTROL_BYTES) reader.fail('it is too long');
  const record = decode(reader);
  const signed = reader.soFar();
  const signature = reader.bytes(SIGNATURE_BYTES);
  reader.end();
  return { record, bytes, signed, signature };
}

/** Whether the terminal with this key signed it. */
export function isSignedBy({ record, signed, signature }: DecodedRecord, publicKey: PublicKeyLike): boolean {
  return verifySignature(contexts[record.kind], signed, signature, publicKey);
}

function encode(record: RoutingRecord, format: number): Buffer {
  const writer = new ByteWriter(headBytes + 2 + 24 * (record.kind === 'links' ? record.links : record.load).length);
  writer.u8(format).u8(kinds.indexOf(record.kind) + 1);
  writer.uuid(record.customerId).uuid(record.terminalId).u64(record.sequence);
  if (record.kind === 'links') writeLinks(writer, record.links);
  else writeLoad(writer, record.load);
  return writer.finish();
}

function writeLinks(writer: ByteWriter, links: readonly LinkEntry[]): void {
  writer.varint(links.length);
  for (const { linkId, isDegraded, extraMilli, rttMs } of ascending(links, (link) => link.linkId)) {
    writer.uuid(linkId).u8(isDegraded ? flagSet : 0);
    writer.varint(Math.min(Math.round(extraMilli), maxMilli)).varint(Math.min(Math.round(rttMs), maxRttMs));
  }
}

function writeLoad(writer: ByteWriter, load: readonly LoadEntry[]): void {
  writer.varint(load.length);
  for (const { groupId, isDraining, consumers, waiting } of ascending(load, (row) => row.groupId)) {
    writer
      .uuid(groupId)
      .u8(isDraining ? flagSet : 0)
      .varint(consumers)
      .varint(waiting);
  }
}

function decode(reader: ByteReader): RoutingRecord {
  const head = readHead(reader);
  const { customerId, terminalId, sequence } = head;
  if (head.kind === 'links') return { kind: 'links', customerId, terminalId, sequence, links: readLinks(reader) };
  return { kind: 'load', customerId, terminalId, sequence, load: readLoad(reader) };
}

function readHead(reader: ByteReader): RecordHead {
  reader.format();
  const kind = kinds[reader.u8() - 1] ?? reader.fail('unknown kind');
  const customerId = reader.uuid();
  const terminalId = reader.uuid();
  const sequence = reader.u64();
  if (sequence < 1 || sequence > maxSequence) reader.fail('its sequence is out of range');
  return { kind, customerId, terminalId, sequence };
}

function readLinks(reader: ByteReader): LinkEntry[] {
  return readEntries(reader, (linkId) => ({
    linkId,
    isDegraded: readFlag(reader),
    extraMilli: reader.varint(maxMilli),
    rttMs: reader.varint(maxRttMs),
  }));
}

function readLoad(reader: ByteReader): LoadEntry[] {
  return readEntries(reader, (groupId) => ({
    groupId,
    isDraining: readFlag(reader),
    consumers: reader.varint(),
    waiting: reader.varint(),
  }));
}

function readEntries<T>(reader: ByteReader, readRest: (id: string) => T): T[] {
  const count = reader.varint(maxEntries);
  const entries: T[] = [];
  let previous = '';
  for (let index = 0; index < count; index++) {
    const id = reader.uuid();
    if (id <= previous) reader.fail('its entries do not ascend');
    entries.push(readRest(id));
    previous = id;
  }
  return entries;
}

function readFlag(reader: ByteReader): boolean {
  const flags = reader.u8();
  if (flags > flagSet) reader.fail('unknown flags');
  return flags === flagSet;
}

function ascending<T>(entries: readonly T[], idOf: (entry: T) => string): T[] {
  return [...entries].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
}
